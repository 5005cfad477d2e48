import { TomlDate } from "smol-toml";
import { describe, expect, it } from "vitest";
import { goTime, goUnixTime } from "../../../src/go/time.ts";
import { inTimeZone } from "../../support/process/in-time-zone.ts";
import { thrownBy } from "../../support/thrown-by.ts";

describe("goUnixTime", () => {
  it.each([
    ["UTC", 0n, "1970-01-01T00:00:00Z"],
    ["UTC", 1700000000n, "2023-11-14T22:13:20Z"],
    ["UTC", -1n, "1969-12-31T23:59:59Z"],
    ["America/New_York", 1700000000n, "2023-11-14T17:13:20-05:00"],
    ["Asia/Kolkata", 1700000000n, "2023-11-15T03:43:20+05:30"],
    ["Africa/Monrovia", 0n, "1969-12-31T23:15:30-00:44"],
    ["Asia/Kolkata", -3000000000n, "1874-12-08T00:01:10+05:21"],
  ])("in %s formats %d", (zone, seconds, expected) => {
    expect(inTimeZone(zone, () => goUnixTime(seconds))).toBe(expected);
  });

  it.each([253402300800n, 9223372036854775807n])("refuses %d, which is after the year 9999", (seconds) => {
    const error = inTimeZone("UTC", () => thrownBy(() => goUnixTime(seconds)));
    expect(error).toMatchObject({ message: expect.stringContaining("year outside of range") });
  });
});

it.each([
  ["2020-01-01", "2020-01-01 00:00:00 +0000 date-local"],
  ["2020-01-01T10:00:00.500", "2020-01-01 10:00:00.5 +0000 datetime-local"],
  ["10:00:00", "0000-01-01 10:00:00 +0000 time-local"],
  ["2020-01-01T10:00:00Z", "2020-01-01 10:00:00 +0000 UTC"],
  ["2020-01-01T10:00:00.120+02:00", "2020-01-01 10:00:00.12 +0200 +0200"],
])("goTime(%s) is as BurntSushi/toml and fmt print it", (written, expected) => {
  expect(inTimeZone("UTC", () => goTime(new TomlDate(written)))).toBe(expected);
});
