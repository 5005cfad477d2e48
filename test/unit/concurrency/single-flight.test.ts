import { expect, test } from "vitest";
import { SingleFlight } from "../../../src/concurrency/single-flight.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("work under one key runs once at a time, and again after a failure", async () => {
  const flights = new SingleFlight<string, number>();
  let calls = 0;
  const work = async () => {
    calls += 1;
    if (calls === 1) throw new Error("first");
    return calls;
  };
  const both = [flights.share("a", work), flights.share("a", work)];
  expect(await Promise.all(both.map(rejectionOf))).toMatchObject([{ message: "first" }, { message: "first" }]);
  expect(await flights.share("a", work)).toBe(2);
  expect(await flights.share("b", work)).toBe(3);
});

test("the work is stopped only when the last caller has left", async () => {
  const flights = new SingleFlight<string, string>();
  const [one, two] = [new AbortController(), new AbortController()];
  let stop: AbortSignal | undefined;
  const work = (signal: AbortSignal) => {
    stop = signal;
    return new Promise<string>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const first = rejectionOf(flights.share("a", work, one.signal));
  const second = rejectionOf(flights.share("a", work, two.signal));
  await Promise.resolve();
  one.abort("one left");
  expect(await first).toBe("one left");
  expect(stop?.aborted).toBe(false);
  two.abort("two left");
  expect(await second).toBe("two left");
  expect(stop?.reason).toBe("two left");
  // A new caller starts a new run instead of joining the stopped one.
  expect(await flights.share("a", async () => "new")).toBe("new");
});

test("a stopped run that ends late does not keep its successor from being shared", async () => {
  const flights = new SingleFlight<string, string>();
  const stop = new AbortController();
  const [old, next] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const left = rejectionOf(flights.share("a", () => old.promise, stop.signal));
  stop.abort("left");
  expect(await left).toBe("left");
  const one = flights.share("a", () => next.promise);
  old.resolve("late");
  await old.promise;
  const two = flights.share("a", async () => "a third run");
  next.resolve("next");
  expect(await Promise.all([one, two])).toEqual(["next", "next"]);
});
