import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { TaskThreads, type TaskThreadsOptions } from "../../../src/concurrency/task-threads.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

/** @param code of a module that runs a task */
function open(
  code: string,
  startSize: number,
  tasksAtOnce: TaskThreadsOptions["tasksAtOnce"] = "many",
): TaskThreads<unknown, unknown> {
  const filename = join(tempTree({ "task.cjs": code }), "task.cjs");
  const threads = new TaskThreads({
    ...{ filename, workerData: undefined, maxThreads: 3, tasksAtOnce, startSize },
    onError: () => undefined,
  });
  onTestFinished(() => threads.close());
  return threads;
}

test("a task that pays for another thread runs if none can be started", async () => {
  const threads = open("module.exports = () => new Promise((end) => setTimeout(end, 1, 1));", 0);
  threads.start();
  const start = vi.spyOn(threads, "start").mockImplementation(() => {
    throw new Error("no room for a thread");
  });
  expect(await Promise.all([threads.run({}, 1), threads.run({}, 1)])).toEqual([1, 1]);
  expect(start).toHaveBeenCalledOnce();
});

test("a long task on a busy thread starts another one, as do short ones that take as long together", () => {
  const threads = open("module.exports = () => new Promise(() => undefined);", 16);
  const start = vi.spyOn(threads, "start");
  const startsAfter = (size: number) => {
    threads.run({}, size).catch(() => undefined);
    return start.mock.calls.length;
  };
  expect([100, 15, 1, 1, 16, 1, 100].map(startsAfter)).toEqual([1, 1, 1, 2, 2, 3, 3]);
});

test("a thread that runs one task at a time takes the next that waits when it is free", async () => {
  const code = `let running = 0;
    module.exports = async () => {
      running += 1;
      await new Promise((end) => setImmediate(end));
      return running--;
    };`;
  const threads = open(code, 2, "one");
  const start = vi.spyOn(threads, "start");
  const replies = await Promise.all(Array.from({ length: 9 }, () => threads.run({}, 1)));
  expect(replies).toEqual(new Array(9).fill(1));
  expect(start).toHaveBeenCalledTimes(3);
});

test("tasks that wait when the threads are closed fail", async () => {
  const threads = open("module.exports = () => new Promise(() => undefined);", 2, "one");
  const tasks = Array.from({ length: 9 }, () => threads.run({}, 1));
  await Promise.all([threads.close(), ...tasks.map((task) => expect(task).rejects.toThrow())]);
});
