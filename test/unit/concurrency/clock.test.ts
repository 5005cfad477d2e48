import { getEventListeners } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { settledWithin, sleep } from "../../../src/concurrency/clock.ts";
import { ManualClock } from "../../support/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("a sleep with an aborted signal rejects at once", async () => {
  expect(await rejectionOf(sleep(60_000, AbortSignal.abort("late")))).toBe("late");
});

test("a sleep leaves neither a timer nor a listener behind, whether it ends or is aborted", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const controller = new AbortController();
  const { signal } = controller;
  const ended = sleep(1000, signal);
  vi.advanceTimersByTime(1000);
  await ended;
  expect(getEventListeners(signal, "abort")).toEqual([]);
  const aborted = rejectionOf(sleep(60_000, signal));
  controller.abort("stopped");
  expect(await aborted).toBe("stopped");
  expect(vi.getTimerCount()).toBe(0);
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
