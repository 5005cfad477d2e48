import { expect, test } from "vitest";
import { settingOf } from "../../../src/inputs/flags.ts";
import { parseOptions } from "../../../src/inputs/parse.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const MACHINE = { cores: 2, tempDir: "/tmp" };

function levelOf(logLevel: string) {
  const { flags } = parseOptions({ images: ["app"] }, { CNB_PLATFORM_API: "0.13" }, MACHINE);
  return settingOf("logLevel", { ...flags, logLevel }, "/");
}

test.each([
  ["debug", "debug"],
  ["INFO", "info"],
  ["Warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["fatal", "fatal"],
])("reads %j", (text, level) => {
  expect(levelOf(text)).toBe(level);
});

test.each([[""], ["trace"], [" info"]])("rejects %j", (text) => {
  expect(thrownBy(() => levelOf(text))).toMatchObject({
    message: "failed to parse log level: invalid level",
    exitCode: 1,
    hint: expect.stringContaining("to one of debug, info, warn, warning, error, fatal."),
  });
});
