import { expect, test } from "vitest";
import { parseGoDuration } from "../../../src/go/duration.ts";

test.each([
  ["5m", 300_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["1s500ms", 1500],
  ["+2s", 2000],
  ["0", 0],
  ["0s", 0],
  ["2000us", 2],
  ["2000µs", 2],
  ["1000000ns", 1],
  ["", undefined],
  ["5", undefined],
  ["m", undefined],
  ["-5m", undefined],
  ["5 m", undefined],
  ["5m ", undefined],
  ["1d", undefined],
  ["1.s.", undefined],
])("%s is %s ms", (text, ms) => {
  expect(parseGoDuration(text)).toBe(ms);
});
