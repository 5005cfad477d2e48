import { getEventListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { untilAborted } from "../../../src/concurrency/abort.ts";
import { recordUnhandledRejections, rejectionOf } from "../../support/thrown-by.ts";

const STOP = new Error("stopped");

test("settles like the work, and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  expect(await untilAborted(Promise.resolve(1), signal)).toBe(1);
  expect(await rejectionOf(untilAborted(Promise.reject(STOP), signal))).toBe(STOP);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test.each([
  ["before", (stop: AbortController) => stop.abort(STOP), () => undefined],
  ["while it waits", () => undefined, (stop: AbortController) => stop.abort(STOP)],
])("aborted %s, it rejects with the reason, and a later failure of the work is ignored", async (_, before, during) => {
  const unhandled = recordUnhandledRejections();
  const stop = new AbortController();
  const work = Promise.withResolvers<never>();
  before(stop);
  const waiting = rejectionOf(untilAborted(work.promise, stop.signal));
  during(stop);
  expect(await waiting).toBe(STOP);
  work.reject(new Error("later"));
  await turn();
  expect(unhandled).toEqual([]);
});
