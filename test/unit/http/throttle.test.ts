import { beforeEach, describe, expect, test } from "vitest";
import { HostThrottle } from "../../../src/http/throttle.ts";
import { ManualClock } from "../../support/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

let clock: ManualClock;
let throttle: HostThrottle;
let started: number[];

beforeEach(() => {
  clock = new ManualClock();
  throttle = new HostThrottle(clock, () => 0);
  started = [];
});

async function ask(requests: number): Promise<void> {
  for (let i = 0; i < requests; i++) void throttle.admit().then((ms) => started.push(ms));
  await clock.advance(0);
}

describe("a throttling host", () => {
  test("gets no requests until the pause ends, and then one at a time", async () => {
    await ask(3);
    expect(started).toEqual([0, 0, 0]);
    throttle.refused(0, 5000);
    await ask(4);
    await clock.advance(4999);
    expect(started).toHaveLength(3);
    await clock.advance(1);
    expect(started.slice(3)).toEqual([5000]);
    for (let i = 0; i < 200; i++) await clock.advance(1);
    expect(started.slice(3)).toEqual([5000, 5050, 5100, 5150]);
  });

  test("gets more requests with each one that it serves", async () => {
    throttle.refused(await throttle.admit(), 1000);
    await clock.advance(1000);
    for (let i = 0; i < 6; i++) throttle.served(clock.now());
    await ask(20);
    expect(started).toHaveLength(20);
  });

  test("gets growing pauses if it names no duration", async () => {
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      throttle.refused(clock.now(), undefined);
      await ask(1);
      pauses.push(...clock.pending);
      await clock.advance(clock.pending[0] ?? 0);
    }
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    await clock.advance(5000);
    throttle.served(clock.now());
    throttle.refused(clock.now(), undefined);
    await ask(1);
    expect(clock.pending).toEqual([1000]);
  });

  test("causes one pause with concurrent refusals", async () => {
    await clock.advance(10);
    for (const sentMs of [10, 9, 8]) throttle.refused(sentMs, undefined);
    await ask(1);
    expect(clock.pending).toEqual([1000]);
  });

  test("gets the longest pause that it asks for", async () => {
    throttle.refused(0, 9000);
    throttle.refused(0, 1000);
    await ask(1);
    expect(clock.pending).toEqual([9000]);
  });

  test("jitter spreads out requests that were throttled together", async () => {
    const own = new HostThrottle(clock, () => 0.5);
    own.refused(0, 1000);
    void own.admit();
    await clock.advance(0);
    expect(clock.pending).toEqual([1050]);
  });

  test("a response to an earlier request does not end the pause", async () => {
    await clock.advance(10);
    throttle.refused(10, undefined);
    throttle.served(5);
    await clock.advance(1000);
    throttle.refused(clock.now(), undefined);
    await ask(1);
    expect(clock.pending).toEqual([2000]);
  });
});

test("an abort ends the wait", async () => {
  throttle.refused(0, 1000);
  const controller = new AbortController();
  const waiting = rejectionOf(throttle.admit(controller.signal));
  await clock.advance(0);
  controller.abort("stopped");
  expect(await waiting).toBe("stopped");
});
