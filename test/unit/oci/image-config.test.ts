import { describe, expect, it } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { emptyImageConfig, imageConfigBytes, parseImageConfig } from "../../../src/oci/image-config.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const DIFF_ID = `sha256:${"a".repeat(64)}`;

function roundTrip(document: unknown): string {
  return imageConfigBytes(parseImageConfig(Buffer.from(JSON.stringify(document)), "test")).toString();
}

describe("image config", () => {
  it("writes the smallest config with every member that is never omitted", () => {
    expect(roundTrip({})).toBe(
      '{"architecture":"","created":"","os":"","rootfs":{"type":"","diff_ids":[]},"config":{}}',
    );
    expect(imageConfigBytes({ ...emptyImageConfig({ os: "linux", architecture: "" }), created: "t" }).toString()).toBe(
      '{"architecture":"","created":"t","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}',
    );
  });

  it("writes every member in the reference's order, whatever the order read", () => {
    const config = {
      Shell: ["/bin/sh"],
      StopSignal: "SIGTERM",
      MacAddress: "m",
      NetworkDisabled: true,
      ArgsEscaped: true,
      ExposedPorts: { "80/tcp": {}, "443/tcp": {} },
      WorkingDir: "/w",
      Volumes: { "/v": {} },
      User: "u",
      Tty: true,
      StdinOnce: true,
      OpenStdin: true,
      OnBuild: ["RUN x"],
      Labels: { z: "<1>", a: "2" },
      Image: "i",
      Hostname: "h",
      Env: ["A=b"],
      Entrypoint: ["/e"],
      Domainname: "d",
      Healthcheck: { Retries: 3, StartInterval: 5, StartPeriod: 4, Timeout: 2, Interval: 1000000000, Test: ["NONE"] },
      Cmd: ["c"],
      AttachStdout: true,
      AttachStdin: true,
      AttachStderr: true,
    };
    const document = {
      "os.features": ["f"],
      variant: "v8",
      "os.version": "1",
      config,
      rootfs: { diff_ids: [DIFF_ID], type: "layers" },
      os: "linux",
      history: [{ empty_layer: true, comment: "c", created_by: "RUN", created: "t", author: "me" }],
      docker_version: "20",
      created: "t",
      container: "abc",
      author: "me",
      architecture: "arm64",
    };
    expect(roundTrip(document)).toBe(
      `{"architecture":"arm64","author":"me","container":"abc","created":"t","docker_version":"20",` +
        `"history":[{"author":"me","created":"t","created_by":"RUN","comment":"c","empty_layer":true}],` +
        `"os":"linux","rootfs":{"type":"layers","diff_ids":["${DIFF_ID}"]},` +
        `"config":{"AttachStderr":true,"AttachStdin":true,"AttachStdout":true,"Cmd":["c"],` +
        `"Healthcheck":{"Test":["NONE"],"Interval":1000000000,"Timeout":2,"StartPeriod":4,"Retries":3},` +
        `"Domainname":"d","Entrypoint":["/e"],"Env":["A=b"],"Hostname":"h","Image":"i",` +
        `"Labels":{"a":"2","z":"\\u003c1\\u003e"},"OnBuild":["RUN x"],"OpenStdin":true,"StdinOnce":true,"Tty":true,` +
        `"User":"u","Volumes":{"/v":{}},"WorkingDir":"/w","ExposedPorts":{"443/tcp":{},"80/tcp":{}},` +
        `"ArgsEscaped":true,"NetworkDisabled":true,"MacAddress":"m","StopSignal":"SIGTERM","Shell":["/bin/sh"]},` +
        `"os.version":"1","variant":"v8","os.features":["f"]}`,
    );
  });

  it.each([
    ["drops what Go's struct does not know", { container_config: {}, id: "x", parent: "y", "moby.buildkit": 1 }],
    ["reads null as the zero value", { author: null, history: null, config: null, rootfs: null, "os.features": null }],
    ["omits empty lists and maps", { history: [], config: { Env: [], Labels: {}, Volumes: {}, Cmd: null } }],
  ])("%s", (_, document) => {
    expect(roundTrip(document)).toBe(roundTrip({}));
  });

  it("keeps an empty healthcheck, which Go holds by pointer", () => {
    expect(roundTrip({ config: { Healthcheck: {} } })).toContain('"config":{"Healthcheck":{}}');
  });

  it("finds members without regard to case, the last one winning", () => {
    expect(roundTrip({ OS: "a", os: "linux", Config: { env: ["A=b"] } })).toContain(
      '"os":"linux","rootfs":{"type":"","diff_ids":[]},"config":{"Env":["A=b"]}',
    );
  });

  it("decodes a lone surrogate as U+FFFD, as Go does", () => {
    const bytes = Buffer.from('{"author":"a\\ud800"}');
    expect(imageConfigBytes(parseImageConfig(bytes, "test")).toString()).toContain('"author":"a\ufffd"');
  });

  it.each([
    ["no JSON", "{"],
    ["a wrong type", '{"config":{"Env":"A=b"}}'],
    ["a bad diffID", '{"rootfs":{"diff_ids":["sha256:1"]}}'],
    ["an array", "[]"],
  ])("refuses %s and names the image", (_, text) => {
    const error = thrownBy(() => parseImageConfig(Buffer.from(text), "reg/app"));
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ message: /image config of reg\/app/ });
  });
});
