import { expect, test } from "vitest";
import { boolFrom, intFrom, listFrom, stringFrom } from "../../../src/cli/environment.ts";

test("a string that is set but empty counts as unset", () => {
  expect(stringFrom({}, "X", "d")).toBe("d");
  expect(stringFrom({ X: "" }, "X", "d")).toBe("d");
  expect(stringFrom({ X: " " }, "X", "d")).toBe(" ");
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
  expect(boolFrom({ X: text }, "X")).toBe(expected);
});

test.each([
  [undefined, 9],
  ["", 9],
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
  expect(intFrom({ X: text }, "X", 9)).toBe(expected);
});

test.each([
  [undefined, []],
  ["", []],
  ["a", ["a"]],
  ["a, b,,c", ["a", " b", "", "c"]],
])("list %j is %j", (text, expected) => {
  expect(listFrom({ X: text }, "X")).toEqual(expected);
});
