import { expect, test } from "vitest";
import { chooseProgress } from "../../../../src/observe/progress/show.ts";

const BARS = { kind: "bars" };
const SLOW_LINES = { kind: "lines", everyMs: 10_000 };

test.each([
  ["auto", true, {}, BARS],
  ["auto", true, { TERM: "xterm-256color", CI: "false" }, BARS],
  ["auto", true, { TERM: "dumb" }, SLOW_LINES],
  ["auto", true, { CI: "true" }, SLOW_LINES],
  ["auto", false, {}, SLOW_LINES],
  ["tty", false, { TERM: "dumb", CI: "1" }, BARS],
  ["plain", true, {}, { kind: "lines", everyMs: 5_000 }],
  ["none", true, {}, { kind: "none" }],
] as const)("-progress %s, terminal: %s, %j", (flag, isTerminal, environment, mode) => {
  expect(chooseProgress(flag, { isTerminal, environment })).toEqual(mode);
});
