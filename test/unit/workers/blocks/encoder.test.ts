import { expect, test } from "vitest";
import { arenaNeeds, loadCompression } from "../../../../src/engine/compression.ts";
import { createEncoder } from "../../../../workers/blocks/encoder.ts";
import { BLOCK_SIZE, createArena, rawBytes } from "../../../../workers/protocol.ts";

test("frames of zstd take no memory once they are copied", () => {
  const compression = loadCompression("zstd", 1, "");
  const arena = createArena(1, 1, arenaNeeds(compression));
  const encoder = createEncoder(arena, compression);
  rawBytes(arena, 0, BLOCK_SIZE).fill("0123456789");
  encoder.encode(0, BLOCK_SIZE);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 4; i++) encoder.encode(0, BLOCK_SIZE);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(BLOCK_SIZE);
});
