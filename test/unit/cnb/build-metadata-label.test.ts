import { describe, expect, it } from "vitest";
import { parsePlatformApi } from "../../../src/cnb/api.ts";
import { type BuildMetadata, buildMetadataLabel, type Process } from "../../../src/cnb/build-metadata.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const RELEASE = { version: "0.0.0", repository: "", commit: "" };
const LAUNCHER = '"launcher":{"version":"0.0.0","source":{"git":{"repository":"","commit":""}}}';
const LEAST: BuildMetadata = {
  bom: null,
  buildpacks: null,
  extensions: null,
  labels: [{ key: "never", value: "written" }],
  processes: null,
  slices: [{ paths: ["never written"] }],
  defaultProcessType: "",
};
const WEB: Process = {
  type: "web",
  command: ["java", "-x"],
  args: null,
  direct: true,
  default: false,
  buildpackId: "samples/java",
  workingDir: "",
  execEnv: [],
};
const ELEMENT = { id: "b", version: "1", api: "0.10", homepage: "", optional: false, extension: false };

function label(metadata: Partial<BuildMetadata>, api = "0.12"): string {
  return buildMetadataLabel({ ...LEAST, ...metadata }, RELEASE, parsePlatformApi(api));
}

describe("buildMetadataLabel", () => {
  it.each([
    ["0.8", `{"bom":null,"buildpacks":null,${LAUNCHER},"processes":null}`],
    ["0.9", `{"buildpacks":null,${LAUNCHER},"processes":null}`],
  ])("writes the minimum at API %s", (api, expected) => {
    expect(label({}, api)).toBe(expected);
  });

  it("distinguishes empty arrays from absent ones, and omits empty extensions", () => {
    expect(label({ bom: [], buildpacks: [], extensions: [], processes: [] }, "0.8")).toBe(
      `{"bom":[],"buildpacks":[],${LAUNCHER},"processes":[]}`,
    );
  });

  it("writes elements without api, and their optional members", () => {
    const buildpacks = [ELEMENT, { ...ELEMENT, homepage: "https://x?a&b", optional: true }];
    expect(label({ buildpacks, extensions: [ELEMENT], defaultProcessType: "web" })).toBe(
      `{"buildpacks":[{"id":"b","version":"1"},{"id":"b","version":"1","homepage":"https://x?a\\u0026b","optional":true}],` +
        `"extensions":[{"id":"b","version":"1"}],${LAUNCHER},"processes":null,"buildpack-default-process-type":"web"}`,
    );
  });

  it.each([
    ["0.10", '["java","-x"]'],
    ["0.9", '"java"'],
  ])("writes a process at API %s", (api, command) => {
    const full = { ...WEB, args: [], default: true, workingDir: "/w", execEnv: ["test"] };
    expect(label({ processes: [WEB, full] }, api)).toBe(
      `{"buildpacks":null,${LAUNCHER},"processes":[` +
        `{"type":"web","command":${command},"args":null,"direct":true,"buildpackID":"samples/java"},` +
        `{"type":"web","command":${command},"args":[],"direct":true,"default":true,"buildpackID":"samples/java",` +
        `"working-dir":"/w","exec-env":["test"]}]}`,
    );
  });

  it("writes a process without a command as null, and refuses it where a string is needed", () => {
    const processes = [{ ...WEB, command: null }];
    expect(label({ processes })).toContain('"command":null');
    const error = thrownBy(() => label({ processes }, "0.9"));
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ message: "parse build metadata: process 'web' has no command" });
  });

  it("writes the legacy bill of materials below API 0.9", () => {
    const buildpack = { id: "b", version: "1", optional: true };
    const bom = [
      { name: "n", version: "", metadata: { z: 1, a: "x" }, buildpack: { ...buildpack, optional: false } },
      { name: "m", version: "2", metadata: null, buildpack },
    ];
    expect(label({ bom }, "0.8")).toBe(
      `{"bom":[{"name":"n","metadata":{"a":"x","z":1},"buildpack":{"id":"b","version":"1"}},` +
        `{"name":"m","version":"2","metadata":null,"buildpack":{"id":"b","version":"1","optional":true}}],` +
        `"buildpacks":null,${LAUNCHER},"processes":null}`,
    );
  });
});
