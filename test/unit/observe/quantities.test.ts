import { expect, test } from "vitest";
import { bytesText, durationText, percentText } from "../../../src/observe/quantities.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9_994, "9.99 kB"],
  [9_996, "10.0 kB"],
  [99_949, "99.9 kB"],
  [99_960, "100 kB"],
  [999_600, "1.00 MB"],
  [20e9, "20.0 GB"],
  [5e15, "5000 TB"],
])("%i bytes", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [0, "0.0s"],
  [9_940, "9.9s"],
  [9_960, "10s"],
  [59_400, "59s"],
  [59_600, "1m00s"],
  [185_000, "3m05s"],
  [7_800_000, "2h10m"],
])("%i ms", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

test("an incomplete fraction is never 100%", () => {
  expect([0, 0.999, 1].map(percentText)).toEqual(["0%", "99%", "100%"]);
});
