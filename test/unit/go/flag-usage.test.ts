import { expect, test } from "vitest";
import { buildUsage } from "../../../src/go/flag.ts";

test("prints what Go's flag package prints", () => {
  const usage = buildUsage([
    { name: "zed", type: "string", initial: 'S "q"', usage: "str" },
    { name: "bool", type: "bool", initial: true, usage: "bool" },
    { name: "boo2", type: "bool", initial: false, usage: "bool" },
    { name: "int", type: "int", initial: 3, usage: "int" },
    { name: "int0", type: "int", initial: 0, usage: "int" },
    { name: "empty", type: "string", initial: "", usage: "e" },
    { name: "list", type: "list", initial: ["e", "f"], usage: "list" },
    { name: "mist", type: "list", initial: [], usage: "list" },
    { name: "nist", type: "list", initial: [""], usage: "list" },
  ]);
  expect(usage).toBe(`Usage of lifecycle:
  -boo2
    \tbool
  -bool
    \tbool (default true)
  -empty string
    \te
  -int int
    \tint (default 3)
  -int0 int
    \tint
  -list value
    \tlist (default [e f])
  -mist value
    \tlist
  -nist value
    \tlist
  -zed string
    \tstr (default "S \\"q\\"")
`);
});
