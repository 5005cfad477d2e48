import { expect, test } from "vitest";
import { messageAndHint } from "../../../src/errors/fault.ts";
import { parseInvocation } from "../../../src/inputs/parse.ts";
import { thrownBy } from "../../support/thrown-by.ts";

test.each([
  ["/cnb/lifecycle/exporter", ["-h"], { kind: "phase", command: "exporter", phase: "exporter", args: ["-h"] }],
  ["exporter.js", [], { kind: "phase", command: "exporter", phase: "exporter", args: [] }],
  ["/x/lifecycle", ["export", "a"], { kind: "phase", command: "exporter", phase: "export", args: ["a"] }],
  ["/x/lifecycle", ["/cnb/export", "a"], { kind: "phase", command: "exporter", phase: "export", args: ["a"] }],
  ["/cnb/lifecycle/creator", ["-h"], { kind: "phase", command: "creator", phase: "creator", args: ["-h"] }],
  ["creator.cjs", [], { kind: "phase", command: "creator", phase: "creator", args: [] }],
  ["/x/lifecycle", ["create", "a"], { kind: "phase", command: "creator", phase: "create", args: ["a"] }],
  ["/x/lifecycle", ["-version", "x"], { kind: "version" }],
  ["exporter.min.js", ["export"], { kind: "phase", command: "exporter", phase: "export", args: [] }],
])("%s %j", (program, args, expected) => {
  expect(parseInvocation(program, args)).toEqual(expected);
});

const VALID =
  "Valid phases: detect, analyze, restore, build, export, rebase, create, extend\n" +
  "This program supports only export and create.";

test.each([
  ["lifecycle", [], "failed to parse arguments"],
  ["lifecycle", ["detect"], `failed to recognize phase: detect \n${VALID}`],
  ["lifecycle", ["--version"], `failed to recognize phase: --version \n${VALID}`],
])("%s %j fails with exit code 3", (program, args, shown) => {
  const error = thrownBy(() => parseInvocation(program, args));
  expect(error).toMatchObject({ exitCode: 3 });
  expect(messageAndHint(error)).toBe(shown);
});
