import { describe, expect, test } from "vitest";
import { PriorityLimiter } from "../../../src/concurrency/limiter.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const APP = { priority: 0 };

/** Runs all reactions to promises that are already settled. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("order", () => {
  test("smaller priority, then smaller order, then first come", async () => {
    const limiter = new PriorityLimiter(1);
    const release = await limiter.acquire(APP);
    const went: string[] = [];
    const waits = [
      [1, 0, "cache-0-a"],
      [1, 0, "cache-0-b"],
      [0, 5, "app-5-a"],
      [0, 2, "app-2"],
      [0, 5, "app-5-b"],
      [2, 0, "last"],
      [1, -1, "cache-first"],
    ] as const;
    const all = waits.map(async ([priority, order, name]) => {
      const leave = await limiter.acquire({ priority, order });
      went.push(name);
      leave();
    });
    expect(limiter.waiting).toBe(waits.length);
    release();
    await Promise.all(all);
    expect(went).toEqual(["app-2", "app-5-a", "app-5-b", "cache-first", "cache-0-a", "cache-0-b", "last"]);
    expect(limiter.waiting).toBe(0);
  });

  test("a promoted waiter goes before all others, once", async () => {
    const limiter = new PriorityLimiter(1);
    limiter.promote(1);
    const release = await limiter.acquire(APP);
    const went: string[] = [];
    const all = [
      [0, "app-a"],
      [0, "app-b"],
      [1, "cache-a"],
      [1, "cache-b"],
    ].map(async ([priority, name]) => {
      const leave = await limiter.acquire({ priority: Number(priority) });
      went.push(String(name));
      leave();
    });
    limiter.promote(2);
    limiter.promote(1);
    release();
    await Promise.all(all);
    expect(went).toEqual(["cache-a", "app-a", "app-b", "cache-b"]);
  });

  test("never has more holders than capacity, and loses no place", async () => {
    const limiter = new PriorityLimiter(3);
    let holders = 0;
    let most = 0;
    const tasks = Array.from({ length: 50 }, (_, i) =>
      limiter.run({ priority: i % 2 }, async () => {
        holders += 1;
        most = Math.max(most, holders);
        await settled();
        holders -= 1;
        if (i % 5 === 0) throw new Error(`task ${i}`);
      }),
    );
    const results = await Promise.allSettled(tasks);
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(10);
    expect(most).toBe(3);
    await Promise.all([limiter.acquire(APP), limiter.acquire(APP), limiter.acquire(APP)]);
  });

  test("a place handed to a waiter cannot be taken by a new arrival", async () => {
    const limiter = new PriorityLimiter(1);
    const release = await limiter.acquire(APP);
    const went: string[] = [];
    void limiter.acquire({ priority: 9 }).then(() => went.push("waiter"));
    release();
    void limiter.acquire(APP).then(() => went.push("newcomer"));
    await settled();
    expect(went).toEqual(["waiter"]);
  });
});

describe("abort", () => {
  test("a waiter leaves with the signal's reason, and the others are served", async () => {
    const limiter = new PriorityLimiter(1);
    const release = await limiter.acquire(APP);
    const controller = new AbortController();
    const reason = new Error("stop");
    const waiting = limiter.acquire(APP, controller.signal);
    const other = limiter.acquire({ priority: 1 });
    controller.abort(reason);
    expect(await rejectionOf(waiting)).toBe(reason);
    expect(limiter.waiting).toBe(1);
    release();
    (await other)();
    await limiter.acquire(APP);
  });

  test("an aborted signal rejects at once, even with free capacity", async () => {
    const limiter = new PriorityLimiter(1);
    const reason = new Error("stopped");
    expect(await rejectionOf(limiter.acquire(APP, AbortSignal.abort(reason)))).toBe(reason);
    await limiter.acquire(APP);
  });

  test("a signal that fires just after the place was acquired changes nothing", async () => {
    const limiter = new PriorityLimiter(1);
    const release = await limiter.acquire(APP);
    const controller = new AbortController();
    const waiting = limiter.acquire(APP, controller.signal);
    release();
    controller.abort(new Error("late"));
    (await waiting)();
    await limiter.acquire(APP);
  });
});

test("releasing twice returns one place", async () => {
  const limiter = new PriorityLimiter(1);
  const release = await limiter.acquire(APP);
  release();
  release();
  await limiter.acquire(APP);
  let hasEntered = false;
  void limiter.acquire(APP).then(() => {
    hasEntered = true;
  });
  await settled();
  expect(hasEntered).toBe(false);
});
