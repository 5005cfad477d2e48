import { describe, expect, it } from "vitest";
import { goDuration } from "../../../src/go/duration.ts";
import { startTimer } from "../../../src/report/timer.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";
import { inTimeZone } from "../../support/process/in-time-zone.ts";

describe("goDuration", () => {
  it.each([
    [0n, "0s"],
    [1n, "1ns"],
    [999n, "999ns"],
    [1_000n, "1µs"],
    [1_500n, "1.5µs"],
    [1_001_000n, "1.001ms"],
    [1_234_567n, "1.234567ms"],
    [532_100_000n, "532.1ms"],
    [999_999_999n, "999.999999ms"],
    [1_000_000_000n, "1s"],
    [1_234_567_891n, "1.234567891s"],
    [60_000_000_000n, "1m0s"],
    [62_500_000_000n, "1m2.5s"],
    [3_600_000_000_000n, "1h0m0s"],
    [3_723_004_000_000n, "1h2m3.004s"],
    [5_025_000_000_000n, "1h23m45s"],
  ])("prints %d ns as Go does", (nanoseconds, expected) => {
    expect(goDuration(nanoseconds)).toBe(expected);
  });
});

describe("startTimer", () => {
  it.each([
    ["UTC", "2026-08-22T10:00:00Z", "2026-08-22T10:00:02Z"],
    ["America/New_York", "2026-08-22T06:00:00-04:00", "2026-08-22T06:00:02-04:00"],
  ])("in %s logs start and end in local seconds, the duration by the monotonic clock", (zone, start, end) => {
    let elapsed = 0n;
    const clock = {
      monotonic: () => 5n + elapsed,
      now: () => Date.UTC(2026, 7, 22, 10) + 900 + Number(elapsed / 1_000_000n),
    };
    const logger = new RecordingLogger();
    inTimeZone(zone, () => {
      const stop = startTimer("Exporter", logger, clock);
      elapsed = 1_532_100_000n;
      stop();
    });
    expect(logger.lines).toEqual([
      `debug Timer: Exporter started at ${start}`,
      `debug Timer: Exporter ran for 1.5321s and ended at ${end}`,
    ]);
  });
});
