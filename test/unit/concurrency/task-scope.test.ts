import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { withTasks } from "../../../src/concurrency/task-scope.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const FIRST = new Error("first");
const SECOND = new Error("second");

/** Ends one turn after the signal. */
function untilStopped(signal: AbortSignal, ended: string[], name: string): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", async () => {
      await nextTurn();
      ended.push(name);
      reject(signal.reason);
    });
  });
}

function never(): AbortSignal {
  return new AbortController().signal;
}

describe("a scope of tasks", () => {
  test("returns the block's result once every task has settled", async () => {
    const done: string[] = [];
    const value = await withTasks(never(), async (tasks) => {
      void tasks.fork(async () => {
        await nextTurn();
        done.push("task");
      });
      return 1;
    });
    expect(value).toBe(1);
    expect(done).toEqual(["task"]);
  });

  test("aborts the other tasks on a failure that the block awaits, waits for them and rethrows it", async () => {
    const ended: string[] = [];
    const error = await rejectionOf(
      withTasks(never(), async (tasks) => {
        void tasks.fork((signal) => untilStopped(signal, ended, "other"));
        await tasks.fork(() => Promise.reject(FIRST));
      }),
    );
    expect(error).toBe(FIRST);
    expect(ended).toEqual(["other"]);
  });

  test("reports the failure that the block awaits first, not the one that happened first", async () => {
    const opened = Promise.withResolvers<void>();
    const error = withTasks(never(), async (tasks) => {
      const failed = tasks.fork(() => Promise.reject(SECOND));
      await opened.promise;
      await failed;
    });
    opened.reject(FIRST);
    expect(await rejectionOf(error)).toBe(FIRST);
  });

  test("waits for tasks started by its tasks", async () => {
    const ended: string[] = [];
    await withTasks(never(), async (tasks) => {
      void tasks.fork(async () => {
        await nextTurn();
        void tasks.fork(async () => {
          await nextTurn();
          ended.push("inner");
        });
      });
    });
    expect(ended).toEqual(["inner"]);
  });

  test("fails as soon as a guard does, whatever the block is waiting for", async () => {
    const ended: string[] = [];
    const error = await rejectionOf(
      withTasks(never(), async (tasks) => {
        tasks.guard(Promise.reject(FIRST));
        await tasks.fork((signal) => untilStopped(signal, ended, "task")).catch(() => Promise.reject(SECOND));
      }),
    );
    expect(error).toBe(FIRST);
    expect(ended).toEqual(["task"]);
  });

  test("ends with the reason of the signal around it", async () => {
    const around = new AbortController();
    const ended: string[] = [];
    const error = withTasks(around.signal, async (tasks) => {
      await tasks.fork((signal) => untilStopped(signal, ended, "task"));
    });
    around.abort(FIRST);
    expect(await rejectionOf(error)).toBe(FIRST);
    expect(ended).toEqual(["task"]);
  });

  test.each([["succeeds"], ["fails"]])("cleans up in reverse order after all tasks when it %s", async (how) => {
    const order: string[] = [];
    const end = withTasks(never(), async (tasks) => {
      tasks.defer(async () => void order.push("outer"));
      tasks.defer(async () => void order.push("inner"));
      void tasks.fork(async () => {
        await nextTurn();
        order.push("task");
      });
      if (how === "fails") throw FIRST;
    });
    expect(await end.catch((error: unknown) => error)).toBe(how === "fails" ? FIRST : undefined);
    expect(order).toEqual(["task", "inner", "outer"]);
  });
});
