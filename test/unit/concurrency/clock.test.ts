import { expect, test } from "vitest";
import { sleep } from "../../../src/concurrency/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("a sleep under a signal that has fired does not begin", async () => {
  expect(await rejectionOf(sleep(60_000, AbortSignal.abort("late")))).toBe("late");
});
