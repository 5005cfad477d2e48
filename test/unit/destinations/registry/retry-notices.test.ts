import { expect, test } from "vitest";
import { RetryNotices } from "../../../../src/destinations/registry/retry-notices.ts";
import { ManualClock } from "../../../support/clock.ts";
import { RecordingLogger } from "../../../support/output/recording-logger.ts";

test("each request's first failure is a warning, and of all further failures one every ten seconds", () => {
  const [clock, logger] = [new ManualClock(), new RecordingLogger()];
  const notices = new RetryNotices(clock, logger);
  notices.log("first request", 1);
  notices.log("second request", 1);
  clock.pass(9999);
  notices.log("first request again", 2);
  clock.pass(1);
  notices.log("second request again", 2);
  notices.log("first request, third time", 3);
  expect(logger.lines).toEqual([
    "warn first request",
    "warn second request",
    "debug first request again",
    "warn second request again",
    "debug first request, third time",
  ]);
});
