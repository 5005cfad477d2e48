import { describe, expect, it } from "vitest";
import { goUnixTime } from "../../../src/go/time.ts";
import { inTimeZone } from "../../support/in-time-zone.ts";
import { thrownBy } from "../../support/thrown-by.ts";

describe("goUnixTime", () => {
  it.each([
    ["UTC", 0n, "1970-01-01T00:00:00Z"],
    ["UTC", 1700000000n, "2023-11-14T22:13:20Z"],
    ["UTC", -1n, "1969-12-31T23:59:59Z"],
    ["America/New_York", 1700000000n, "2023-11-14T17:13:20-05:00"],
    ["Asia/Kolkata", 1700000000n, "2023-11-15T03:43:20+05:30"],
  ])("in %s formats %d", (zone, seconds, expected) => {
    expect(inTimeZone(zone, () => goUnixTime(seconds))).toBe(expected);
  });

  it.each([253402300800n, 9223372036854775807n])("refuses %d, which is after the year 9999", (seconds) => {
    const error = inTimeZone("UTC", () => thrownBy(() => goUnixTime(seconds)));
    expect(error).toMatchObject({ message: expect.stringContaining("year outside of range") });
  });
});
