import { describe, expect, it } from "vitest";
import { cacheMetadataJson, EMPTY_CACHE_METADATA, parseCacheMetadata } from "../../../src/cnb/lifecycle-metadata.ts";

const FULL =
  '{"sbom":{"sha":"ss"},"buildpacks":[{"key":"k","version":"1","layers":{"a":' +
  '{"sha":"bb","data":{"v":[1,"x"]},"build":true,"launch":false,"cache":true},' +
  '"b":{"sha":"","data":null,"build":false,"launch":false,"cache":true}}}]}';

describe("cache metadata", () => {
  it("always writes the SBOM, and null for an empty group", () => {
    expect(cacheMetadataJson(EMPTY_CACHE_METADATA)).toBe('{"sbom":{"sha":""},"buildpacks":null}');
  });

  it.each([FULL, '{"sbom":{"sha":""},"buildpacks":null}'])("round-trips %s", (json) => {
    expect(cacheMetadataJson(parseCacheMetadata(json))).toBe(json);
  });

  it.each([undefined, "", "{", "[]", '"x"', '{"buildpacks":[{"key":1}]}', '{"sbom":"x"}'])(
    "takes %s for an empty cache",
    (json) => {
      expect(parseCacheMetadata(json)).toEqual(EMPTY_CACHE_METADATA);
    },
  );

  it("ignores text behind it in a file, but not in a label", () => {
    expect(parseCacheMetadata(`${FULL} x`)).toEqual(EMPTY_CACHE_METADATA);
    expect(cacheMetadataJson(parseCacheMetadata(Buffer.from(`${FULL} x`)))).toBe(FULL);
  });

  it("reads absent members and null as zero values", () => {
    expect(parseCacheMetadata('{"buildpacks":[{"layers":{"a":{"sha":"x"}}},{"layers":null}]}')).toEqual({
      sbom: "",
      buildpacks: [
        {
          key: "",
          version: "",
          layers: new Map([["a", { diffId: "x", data: null, build: false, launch: false, cache: false }]]),
        },
        { key: "", version: "", layers: new Map() },
      ],
    });
  });
});
