import { describe, expect, it } from "vitest";
import {
  type LayerRecord,
  type LifecycleMetadata,
  lifecycleMetadataLabel,
} from "../../../src/cnb/lifecycle-metadata.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { EMPTY_METADATA } from "../../support/build/plan-inputs.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const NO_NAMES = { image: "", mirrors: [] };
const LEAST: LifecycleMetadata = {
  ...EMPTY_METADATA,
  runImage: { topLayer: "t", reference: "r", ...NO_NAMES },
};
const LAYER: LayerRecord = { diffId: "bb", data: null, build: false, launch: true, cache: true };

describe("lifecycleMetadataLabel", () => {
  it("writes null for Go's nil slices and always writes the stack", () => {
    expect(lifecycleMetadataLabel(LEAST)).toBe(
      '{"app":null,"buildpacks":null,"config":{"sha":""},"launcher":{"sha":""},"process-types":{"sha":""},' +
        '"runImage":{"topLayer":"t","reference":"r"},"stack":{"runImage":{}}}',
    );
  });

  it("writes every member in the reference's order", () => {
    const names = { image: "reg/run:base", mirrors: ["m1", "m2"] };
    const label = lifecycleMetadataLabel({
      app: ["aa", "ab"],
      sbom: "ss",
      buildpacks: [
        {
          key: "samples/java",
          version: "0.1.0",
          layers: new Map([
            ["m2", LAYER],
            ["jdk", { ...LAYER, data: { v: 1, "<k>": [1n, 1.5, true, "x"] } }],
          ]),
          store: { metadata: { b: 1, a: 2 } },
        },
        { key: "empty", version: "", layers: new Map(), store: { metadata: null } },
      ],
      config: "cc",
      launcher: "dd",
      processTypes: "ee",
      runImage: { topLayer: "ff", reference: "reg/run@sha256:11", ...names },
      stack: names,
    });
    expect(label).toBe(
      '{"app":[{"sha":"aa"},{"sha":"ab"}],"sbom":{"sha":"ss"},"buildpacks":[{"key":"samples/java","version":"0.1.0",' +
        '"layers":{"jdk":{"sha":"bb","data":{"\\u003ck\\u003e":[1,1.5,true,"x"],"v":1},"build":false,"launch":true,"cache":true},' +
        '"m2":{"sha":"bb","data":null,"build":false,"launch":true,"cache":true}},"store":{"metadata":{"a":2,"b":1}}},' +
        '{"key":"empty","version":"","layers":{},"store":{"metadata":null}}],' +
        '"config":{"sha":"cc"},"launcher":{"sha":"dd"},"process-types":{"sha":"ee"},' +
        '"runImage":{"topLayer":"ff","reference":"reg/run@sha256:11","image":"reg/run:base","mirrors":["m1","m2"]},' +
        '"stack":{"runImage":{"image":"reg/run:base","mirrors":["m1","m2"]}}}',
    );
  });

  it("names its own step when layer data cannot be JSON", () => {
    const layers = new Map([["x", { ...LAYER, data: { f: Number.NaN } }]]);
    const error = thrownBy(() =>
      lifecycleMetadataLabel({ ...LEAST, buildpacks: [{ key: "k", version: "1", layers }] }),
    );
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ message: "marshall metadata: json: unsupported value: NaN" });
  });
});
