import { describe, expect, it } from "vitest";
import { appLabels } from "../../../src/images/labels.ts";
import { labelInputs } from "../../support/build/label-inputs.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const PLATFORM_KEYS = [
  "io.buildpacks.lifecycle.metadata",
  "io.buildpacks.build.metadata",
  "io.buildpacks.project.metadata",
];
const adding = (key: string): string => `info Adding label '${key}'`;

describe("appLabels", () => {
  it("keeps the run image's labels and sets the platform's", () => {
    const logger = new RecordingLogger();
    const labels = appLabels(new Map([["maintainer", "m"]]), labelInputs("0.14"), logger);
    expect([...labels.keys()]).toEqual(["maintainer", ...PLATFORM_KEYS]);
    expect(labels.get("io.buildpacks.project.metadata")).toBe("{}");
    expect(labels.get("io.buildpacks.lifecycle.metadata")).toMatch(/^\{"app":\[\{"sha":"aa"\}\],/);
    expect(labels.get("io.buildpacks.build.metadata")).toMatch(/^\{"buildpacks":null,/);
    expect(logger.lines).toEqual(PLATFORM_KEYS.map(adding));
  });

  it("lets buildpack labels override, the last one of a key wins, and accepts an empty key", () => {
    const inputs = labelInputs("0.15");
    const own = [
      { key: "io.buildpacks.project.metadata", value: "mine" },
      { key: "k", value: "1" },
      { key: "", value: "empty" },
      { key: "k", value: "2" },
    ];
    const logger = new RecordingLogger();
    const labels = appLabels(new Map(), { ...inputs, build: { ...inputs.build, labels: own } }, logger);
    expect(Object.fromEntries(labels)).toMatchObject({
      "io.buildpacks.project.metadata": "mine",
      k: "2",
      "": "empty",
      "io.buildpacks.exec-env": "production",
    });
    expect(logger.lines).toEqual(
      [...PLATFORM_KEYS, "io.buildpacks.project.metadata", "k", "", "k", "io.buildpacks.exec-env"].map(adding),
    );
  });

  it("has no exec-env label when there is no execution environment", () => {
    expect(appLabels(new Map(), labelInputs("0.15", { execEnv: "" }), new RecordingLogger()).size).toBe(3);
  });

  it("fails after logging the earlier labels", () => {
    const logger = new RecordingLogger();
    const project = { source: { type: "", version: { v: Number.NaN }, metadata: {} } };
    const error = thrownBy(() => appLabels(new Map(), labelInputs("0.12", { project }), logger));
    expect(error).toMatchObject({
      message: "parse project metadata: json: unsupported value: NaN",
      hint: expect.stringMatching(/^Correct project-metadata\.toml/),
    });
    expect(logger.lines).toEqual(PLATFORM_KEYS.slice(0, 2).map(adding));
  });
});
