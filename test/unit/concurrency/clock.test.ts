import { expect, test } from "vitest";
import { sleep } from "../../../src/concurrency/clock.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

test("a sleep with an aborted signal rejects at once", async () => {
  expect(await rejectionOf(sleep(60_000, AbortSignal.abort("late")))).toBe("late");
});
