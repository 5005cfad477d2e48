import { expect, test } from "vitest";
import { parseLogLevel } from "../../../src/cli/settings.ts";
import { thrownBy } from "../../support/thrown-by.ts";

test.each([
  ["debug", "debug"],
  ["INFO", "info"],
  ["Warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["fatal", "fatal"],
])("reads %j", (text, level) => {
  expect(parseLogLevel(text)).toBe(level);
});

test.each([[""], ["trace"], [" info"]])("refuses %j", (text) => {
  expect(thrownBy(() => parseLogLevel(text))).toMatchObject({
    message: "failed to parse log level: invalid level",
    exitCode: 1,
  });
});
