import { expect, test } from "vitest";
import { simulateExport } from "../../../bench/worker-curve/simulated-export.ts";
import type { BlockCosts, FixedCosts, LayerCosts } from "../../../bench/worker-curve/stage-costs.ts";

const NOTHING: FixedCosts = { startMs: 0, messageMs: 0, mainPerBlockMs: 0, mainPerMBMs: 0, registryPerMBMs: 0 };
const BLOCK: BlockCosts = { makeMs: 4, tarHashMs: 0.5, blobHashMs: 0.2, outputBytes: 500_000 };

function layer(blocks: number, block: Partial<BlockCosts> = {}, rest: Partial<LayerCosts> = {}): LayerCosts {
  const made = Array.from({ length: blocks }, () => ({ ...BLOCK, ...block }));
  return { priority: 0, order: 0, scanMs: 0, blocks: made, destinations: ["app", "cache"], ...rest };
}

const cores = 64;

test.each([
  // 400 blocks of 4 ms shared by the workers, and the hash of the last block.
  [1, 1600],
  [2, 800],
  [8, 200],
  // The hash of the tar is sequential: 400 x 0.5 ms after the first block.
  [64, 204],
])("%d workers on cores to spare", async (workers, wallMs) => {
  const run = await simulateExport([layer(400)], NOTHING, { workers, cores });
  // The simulated clock adds fractions of a millisecond.
  expect(run.wallMs).toBeGreaterThan(wallMs - 1e-6);
  expect(run.wallMs).toBeLessThan(wallMs + 5);
});

test("on one core all work adds up", async () => {
  const fixed = { ...NOTHING, startMs: 100, mainPerBlockMs: 0.4, mainPerMBMs: 1, registryPerMBMs: 1 };
  const { wallMs, shares } = await simulateExport([layer(100)], fixed, { workers: 1, cores: 1 });
  // Blocks, hashes, the main thread's calls, and 50 MB to two registries, each handled twice.
  const work = 100 * (4 + 0.5 + 0.2 + 0.4) + 50 * 2 * 2;
  expect(wallMs).toBeCloseTo(100 + work, 0);
  expect(shares.cores).toBeCloseTo(1, 2);
});

test("the main thread can be the limit", async () => {
  const fixed = { ...NOTHING, mainPerBlockMs: 2 };
  const { wallMs, shares } = await simulateExport([layer(200)], fixed, { workers: 16, cores });
  expect(wallMs).toBeGreaterThanOrEqual(400);
  expect(wallMs).toBeLessThan(420);
  expect(shares.main).toBeGreaterThan(0.95);
});

test("from 6 workers on, threads that upload leave only the supervision to the main thread", async () => {
  const fixed = { ...NOTHING, mainPerMBMs: 1, supervisePerMBMs: 0.1 };
  // 200 MB to each of two registries.
  const [five, six] = [
    await simulateExport([layer(400)], fixed, { workers: 5, cores }),
    await simulateExport([layer(400)], fixed, { workers: 6, cores }),
  ];
  expect(five.shares.main * five.wallMs).toBeCloseTo(400, 0);
  expect(five.shares.uploaders).toBe(0);
  expect(six.shares.main * six.wallMs).toBeCloseTo(40, 0);
  expect(six.shares.uploaders * six.wallMs).toBeCloseTo(200, 0);
});

test("the app image's layers go first, and the cache's after them", async () => {
  const layers = [
    layer(100, {}, { destinations: ["app"] }),
    layer(100, {}, { destinations: ["cache"], priority: 1, order: 1 }),
  ];
  const run = await simulateExport(layers, NOTHING, { workers: 4, cores });
  expect(run.appReadyMs).toBeLessThan(0.65 * run.wallMs);
});
