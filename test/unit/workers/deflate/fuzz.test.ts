import { expect, test } from "vitest";
import { buildEncoders } from "../../../../scripts/build-encoder.ts";
import { createFuzzer } from "../../../support/deflate/fuzz-deflate.ts";

await buildEncoders();

test("a short run of the fuzzer with a fixed seed finds nothing", () => {
  const { run, counts } = createFuzzer({ levels: [1, 1, 2, 3, 4, 5, 6, 7, 8, 9], corpora: [], lengthBits: 18 });
  for (let seed = 1; seed <= 600; seed++) run(seed);
  expect(counts.cases).toBe(600);
});
