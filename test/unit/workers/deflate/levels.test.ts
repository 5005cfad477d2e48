import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { buildEncoders } from "../../../../scripts/build-encoder.ts";
import { inputKinds, makeInput } from "../../../support/deflate/deflate-inputs.ts";
import { createEncoderHarness } from "../../../support/deflate/encoder-harness.ts";

await buildEncoders();
const harness = createEncoderHarness();
const inputs = Object.values(inputKinds).map((kind, seed) => makeInput(kind, 200_000, 40 + seed));
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function encodeAll(level: number): { hash: string; bytes: number } {
  const hash = createHash("sha256");
  let bytes = 0;
  for (const input of inputs) {
    const output = harness.encode(input, level);
    hash.update(output);
    bytes += output.length;
  }
  return { hash: hash.digest("hex").slice(0, 16), bytes };
}

describe("levels", () => {
  test("each level compresses better than the one before", () => {
    const sizes = levels.map((level) => encodeAll(level).bytes);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(new Set(sizes).size).toBe(levels.length);
  });

  test("levels beyond the ends are clamped", () => {
    expect(encodeAll(0)).toEqual(encodeAll(1));
    expect(encodeAll(10)).toEqual(encodeAll(9));
  });

  /** Changing these bytes changes the digest of every exported layer, so that registries have none of them. */
  test("the output has this version's bytes", () => {
    expect(levels.map((level) => encodeAll(level).hash)).toMatchInlineSnapshot(`
      [
        "bd0601b6a10ab64f",
        "cc890956b97164d3",
        "4ad84a00871b8420",
        "592d3319b4ef17b2",
        "7568e5bda80e50db",
        "4d3e98fa7136d0a8",
        "18bca9b49acc0e35",
        "af10aa7a5e7f1d88",
        "633925a0f26d9898",
      ]
    `);
  });
});
