import { expect, test } from "vitest";
import { parseCommandLine } from "../../../src/inputs/parse.ts";

function flagsOf(variables: Readonly<Record<string, string | undefined>>) {
  const env = { CNB_PLATFORM_API: "0.13", ...variables };
  const command = parseCommandLine("exporter", [], env, { cores: 2, tempDir: "/tmp" });
  if (command.kind !== "run") throw new Error(command.kind);
  return command.flags;
}

test("an empty string counts as unset", () => {
  expect(flagsOf({}).app).toBe("/workspace");
  expect(flagsOf({ CNB_APP_DIR: "" }).app).toBe("/workspace");
  expect(flagsOf({ CNB_APP_DIR: " " }).app).toBe(" ");
});

test.each([
  [undefined, false],
  ["", false],
  ["1", true],
  ["t", true],
  ["TRUE", true],
  ["True", true],
  ["tRUE", false],
  ["yes", false],
  [" true", false],
  ["0", false],
])("bool %j is %j", (text, expected) => {
  expect(flagsOf({ CNB_PARALLEL_EXPORT: text }).parallel).toBe(expected);
});

test.each([
  [undefined, 8],
  ["", 8],
  ["12", 12],
  ["-1", -1],
  ["+7", 7],
  ["012", 12],
  ["0x10", 0],
  ["1_0", 0],
  ["1.0", 0],
  ["abc", 0],
  ["9223372036854775808", 0],
])("int %j is %j", (text, expected) => {
  expect(flagsOf({ CNB_EXPORT_UPLOAD_CONCURRENCY: text }).uploadConcurrency).toBe(expected);
});

test.each([
  [undefined, []],
  ["", []],
  ["a", ["a"]],
  ["a, b,,c", ["a", " b", "", "c"]],
])("list %j is %j", (text, expected) => {
  expect(flagsOf({ CNB_INSECURE_REGISTRIES: text }).insecureRegistry).toEqual(expected);
});
