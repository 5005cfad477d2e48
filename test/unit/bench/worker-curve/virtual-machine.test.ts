import { expect, test } from "vitest";
import { VirtualMachine, VirtualThread } from "../../../bench/worker-curve/virtual-machine.ts";

/** When each of several equal tasks ends. */
async function endsOf(cores: number, works: readonly number[]): Promise<number[]> {
  const machine = new VirtualMachine(cores);
  return await machine.runUntil(Promise.all(works.map((ms) => machine.compute(ms).then(() => machine.now))));
}

test.each([
  [1, [10], [10]],
  [2, [10, 20], [10, 20]],
  // Each has half of the core until the first is done at 20.
  [1, [10, 20], [20, 30]],
  // Two thirds of a core each.
  [2, [10, 10, 10], [15, 15, 15]],
])("%d cores, works of %j ms", async (cores, works, ends) => {
  for (const [i, end] of (await endsOf(cores, works)).entries()) expect(end).toBeCloseTo(ends[i] ?? -1, 6);
});

test("a thread does one thing after the other", async () => {
  const machine = new VirtualMachine(4);
  const thread = new VirtualThread(machine);
  await machine.runUntil(Promise.all([thread.do(5), thread.do(7)]));
  expect(machine.now).toBeCloseTo(12, 6);
  expect(thread.busyMs).toBe(12);
});

test("waiting takes no core, and can be given up", async () => {
  const machine = new VirtualMachine(1);
  const stop = new AbortController();
  const waits = [machine.wait(10), machine.wait(1000, stop.signal).catch(() => undefined)];
  stop.abort();
  await machine.runUntil(Promise.all([machine.compute(10), ...waits]));
  expect(machine.now).toBeCloseTo(10, 6);
});

test("a promise that nothing can settle is an error", async () => {
  await expect(new VirtualMachine(1).runUntil(new Promise(() => undefined))).rejects.toThrow(/stands still/);
});
