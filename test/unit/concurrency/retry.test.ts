import { describe, expect, test } from "vitest";
import { SYSTEM_CLOCK } from "../../../src/concurrency/clock.ts";
import { type Failures, fullJitter, type RetryPolicy, retrying } from "../../../src/concurrency/retry.ts";
import { SkippingClock } from "../../support/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

/** Retries after 400 ms, for one second. */
function policy(changes: Partial<RetryPolicy> = {}): RetryPolicy & { readonly clock: SkippingClock } {
  return {
    waitMs: () => 400,
    budgetMs: 1000,
    isTemporary: (error: unknown) => error === "temporary",
    askedWaitMs: () => undefined,
    ...changes,
    clock: new SkippingClock(),
  };
}

/** Throws these errors in turn, then returns the number of calls. */
function failing(...errors: unknown[]) {
  let calls = 0;
  return async () => {
    calls += 1;
    if (errors.length > 0) throw errors.shift();
    return calls;
  };
}

const ALWAYS: string[] = Array(100).fill("temporary");

describe("retrying", () => {
  test("retries temporary errors until the budget ends, and then once more", async () => {
    expect(await retrying(policy(), failing("temporary", "temporary"))).toBe(3);
    const limited = policy();
    const task = failing(...ALWAYS);
    expect(await rejectionOf(retrying(limited, task))).toBe("temporary");
    expect(limited.clock.waits).toEqual([400, 400, 200]);
  });

  test("gives up sooner after an error that is unlikely to pass", async () => {
    const short = { shortBudgetMs: (error: unknown) => (error === "hopeless" ? 500 : undefined) };
    const limited = policy({ ...short, isTemporary: () => true });
    expect(await rejectionOf(retrying(limited, failing(...Array(9).fill("hopeless"))))).toBe("hopeless");
    expect(limited.clock.waits).toEqual([400, 100]);
    const whole = policy({ ...short, isTemporary: () => true });
    expect(await rejectionOf(retrying(whole, failing(...ALWAYS)))).toBe("temporary");
    expect(whole.clock.waits).toEqual([400, 400, 200]);
    // It is not longer than the whole budget.
    const shorter = policy({ ...short, isTemporary: () => true, budgetMs: 300 });
    await rejectionOf(retrying(shorter, failing(...Array(9).fill("hopeless"))));
    expect(shorter.clock.waits).toEqual([300]);
  });

  test("counts the silence before the first failure", async () => {
    const silent = policy({ silentMs: () => 700 });
    await rejectionOf(retrying(silent, failing(...ALWAYS)));
    expect(silent.clock.waits).toEqual([300]);
    const longer = policy({ silentMs: () => 1000 });
    await rejectionOf(retrying(longer, failing(...ALWAYS)));
    expect(longer.clock.waits).toEqual([]);
  });

  test("ends although the rest of the budget is below the clock's resolution", async () => {
    const fractions = policy({ waitMs: () => 0.1, budgetMs: 2 + 1e-10 });
    await rejectionOf(retrying(fractions, failing(...ALWAYS)));
    expect(fractions.clock.waits).toEqual([1, 1, 1]);
  });

  test("does not retry permanent errors, nor without a budget", async () => {
    const task = failing("for good");
    expect(await rejectionOf(retrying(policy(), task))).toBe("for good");
    expect(await task()).toBe(2);
    const once = policy({ budgetMs: 0 });
    expect(await rejectionOf(retrying(once, failing("temporary")))).toBe("temporary");
    expect(once.clock.waits).toEqual([]);
  });

  test("restarts the budget after progress", async () => {
    let calls = 0;
    const task = async (onProgress: () => void) => {
      calls += 1;
      if (calls < 30) {
        if (calls % 3 === 0) onProgress();
        throw "temporary";
      }
      return calls;
    };
    expect(await retrying(policy(), task)).toBe(30);
  });

  test("waits as long as the server asks, if the budget allows", async () => {
    const asked = policy({ askedWaitMs: () => 700 });
    await retrying(asked, failing("temporary"));
    expect(asked.clock.waits).toEqual([700]);
    const tooLate = policy({ askedWaitMs: () => 700 });
    expect(await rejectionOf(retrying(tooLate, failing(...ALWAYS)))).toBe("temporary");
    expect(tooLate.clock.waits).toEqual([700]);
  });

  test("tries three times if the server asks for a wait beyond the whole budget", async () => {
    const far = policy({ budgetMs: 10_000, askedWaitMs: () => 10_001 });
    expect(await retrying(far, failing("temporary", "temporary"))).toBe(3);
    expect(far.clock.waits).toEqual([1000, 3000]);
    const farther = policy({ budgetMs: 10_000, askedWaitMs: () => Number.MAX_SAFE_INTEGER });
    expect(await rejectionOf(retrying(farther, failing(...ALWAYS)))).toBe("temporary");
    expect(farther.clock.waits).toEqual([1000, 3000]);
    const short = policy({ askedWaitMs: () => 1001 });
    expect(await rejectionOf(retrying(short, failing(...ALWAYS)))).toBe("temporary");
    expect(short.clock.waits).toEqual([1000]);
  });

  test("reports the number of failures and their duration", async () => {
    const seen: Failures[] = [];
    const failure = retrying(policy(), failing(...ALWAYS), {
      onRetry: (_error, failures) => seen.push(failures),
      onGiveUp: (error, { count, sinceMs }) => `${error}: ${count} in ${sinceMs}`,
    });
    expect(await rejectionOf(failure)).toBe("temporary: 4 in 1000");
    expect(seen).toEqual([
      { count: 1, sinceMs: 0 },
      { count: 2, sinceMs: 400 },
      { count: 3, sinceMs: 800 },
    ]);
  });

  test("an abort ends the wait with its reason", async () => {
    const controller = new AbortController();
    const real = { ...policy({ waitMs: () => 60_000, budgetMs: 1e6 }), clock: SYSTEM_CLOCK };
    const waiting = retrying(real, failing("temporary"), {
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
