import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { BadPattern, goMatch } from "../../../src/go/match.ts";

/**
 * Results of Go 1.26's filepath.Match: `t`rue, `f`alse or `e`rror, one letter per name. Patterns and names are byte
 * strings.
 */
const schema = z.object({
  names: z.array(z.string()),
  hand: z.array(z.tuple([z.string(), z.string()])),
  generated: z.array(z.tuple([z.string(), z.array(z.string()), z.string()])),
});
const recorded = schema.parse(
  JSON.parse(readFileSync(new URL("../../../fixtures/go-match.json", import.meta.url), "utf8")),
);

function answer(pattern: string, name: string): "t" | "f" | "e" {
  try {
    return goMatch(pattern, name) ? "t" : "f";
  } catch (error) {
    if (error instanceof BadPattern) return "e";
    throw error;
  }
}

function answers(pattern: string, names: readonly string[]): string {
  return names.map((name) => answer(pattern, name)).join("");
}

test("handwritten patterns give Go's answers for every name", () => {
  const ours = recorded.hand.map(([pattern]) => [pattern, answers(pattern, recorded.names)]);
  expect(ours).toEqual(recorded.hand);
});

test("generated patterns give Go's answers", () => {
  expect(recorded.generated.length).toBeGreaterThan(3000);
  const ours = recorded.generated.map(([pattern, names]) => [pattern, names, answers(pattern, names)]);
  expect(ours).toEqual(recorded.generated);
});

test.each([
  ["*", "a.txt", true],
  ["*", "a/b", false],
  [".*", ".hidden", true],
  ["*", ".hidden", true],
  ["a[/]b", "a/b", true],
  ["**", "a/b", false],
  ["{a,b}", "a", false],
  ["[^a]", "b", true],
  ["[!a]", "b", false],
])("%s on %s is %s", (pattern, name, expected) => {
  expect(goMatch(pattern, name)).toBe(expected);
});
