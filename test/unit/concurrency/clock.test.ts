import { expect, test } from "vitest";
import { settledWithin, sleep } from "../../../src/concurrency/clock.ts";
import { ManualClock } from "../../support/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("a sleep with an aborted signal rejects at once", async () => {
  expect(await rejectionOf(sleep(60_000, AbortSignal.abort("late")))).toBe("late");
});

test("settledWithin waits for work that fails, and leaves no timer behind", async () => {
  const clock = new ManualClock();
  await settledWithin(100, Promise.reject(new Error("failed")), clock);
  expect(clock.pending).toEqual([]);
});

test("settledWithin does not wait longer than that for work that never ends", async () => {
  const clock = new ManualClock();
  const ended = settledWithin(100, new Promise(() => undefined), clock).then(() => true);
  expect(await Promise.race([ended, Promise.resolve(false)])).toBe(false);
  clock.pass(100);
  expect(await ended).toBe(true);
});
