import { expect, test } from "vitest";
import { digesterCount, SlotPool } from "../../../src/engine/slots.ts";

const RANK = { priority: 0, order: 0 };

/** The order of grants if all ask while every slot is taken. */
async function order(isAppAhead: boolean): Promise<readonly string[]> {
  const pool = new SlotPool(2);
  pool.limitBackground(1, () => isAppAhead);
  const held = [await pool.acquire(RANK), await pool.acquire(RANK)];
  const went: string[] = [];
  const ask = async (name: string, priority: 0 | 1) => {
    const slot = await pool.acquire({ ...RANK, priority });
    went.push(name);
    slot.release();
  };
  const all = [ask("cache-a", 1), ask("cache-b", 1), ask("app-a", 0), ask("app-b", 0)];
  // The cache's first waiter is first in its own queue before it competes with the app's.
  await new Promise<void>((resolve) => setImmediate(resolve));
  all.push(ask("app-c", 0));
  held[0]?.release();
  await Promise.all(all);
  held[1]?.release();
  return went;
}

test("the app image's blocks go before the cache's", async () => {
  expect(await order(false)).toEqual(["app-a", "app-b", "app-c", "cache-a", "cache-b"]);
});

test("a cache block goes first while the app image is ahead of its network", async () => {
  expect(await order(true)).toEqual(["cache-a", "app-a", "app-b", "app-c", "cache-b"]);
});

test.each([
  [1, 2],
  [8, 2],
  [9, 3],
  [16, 4],
])("with %i compressing threads there are up to %i that hash", (threads, most) => {
  expect(digesterCount(threads)).toBe(most);
});
