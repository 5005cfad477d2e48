import { describe, expect, test } from "vitest";
import { fullJitter, type RetryPolicy, retrying, sleep } from "../../../src/flow/retry.ts";
import { rejectionOf } from "../thrown-by.ts";

const POLICY: RetryPolicy = {
  attempts: 3,
  waitMs: () => 0,
  budgetMs: 1000,
  isTemporary: (error) => error === "temporary",
  askedWaitMs: () => undefined,
};

/** Throws the given errors one after the other, then succeeds with the number of calls. */
function failing(...errors: unknown[]) {
  let calls = 0;
  return async () => {
    calls += 1;
    if (errors.length > 0) throw errors.shift();
    return calls;
  };
}

describe("retrying", () => {
  test("repeats what is temporary, up to the number of attempts", async () => {
    expect(await retrying(POLICY, failing("temporary", "temporary"))).toBe(3);
    const task = failing("temporary", "temporary", "temporary");
    expect(await rejectionOf(retrying(POLICY, task))).toBe("temporary");
    expect(await task()).toBe(4);
  });

  test("does not repeat anything else", async () => {
    const task = failing("for good");
    expect(await rejectionOf(retrying(POLICY, task))).toBe("for good");
    expect(await task()).toBe(2);
  });

  test("counts anew after progress", async () => {
    let calls = 0;
    const task = async (progressed: () => void) => {
      calls += 1;
      if (calls < 10) {
        progressed();
        throw "temporary";
      }
      return calls;
    };
    expect(await retrying(POLICY, task)).toBe(10);
  });

  test("waits as long as it was asked to, if the budget allows", async () => {
    const waits: number[] = [];
    const hooks = { onRetry: (_error: unknown, _failed: number, waitMs: number) => waits.push(waitMs) };
    await retrying({ ...POLICY, waitMs: () => 1, askedWaitMs: () => 7 }, failing("temporary"), hooks);
    expect(waits).toEqual([7]);
    const beyond = retrying({ ...POLICY, askedWaitMs: () => 1001 }, failing("temporary"), hooks);
    expect(await rejectionOf(beyond)).toBe("temporary");
    expect(waits).toEqual([7]);
  });

  test("an abort ends the wait with its reason", async () => {
    const controller = new AbortController();
    const waiting = retrying({ ...POLICY, waitMs: () => 60_000, budgetMs: 100_000 }, failing("temporary"), {
      signal: controller.signal,
      onRetry: () => controller.abort("stopped"),
    });
    expect(await rejectionOf(waiting)).toBe("stopped");
  });
});

test("full jitter takes a random part of a wait that doubles up to its limit", () => {
  const most = fullJitter(100, 1000, () => 0.999999);
  expect([2, 3, 4, 5, 6, 20].map((next) => Math.round(most(next)))).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(fullJitter(100, 1000, () => 0)(5)).toBe(0);
});

test("a sleep under a signal that has fired does not begin", async () => {
  expect(await rejectionOf(sleep(60_000, AbortSignal.abort("late")))).toBe("late");
});
