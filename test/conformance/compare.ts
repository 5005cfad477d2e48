import { expect } from "vitest";
import { comparableOf, expectedOf } from "./comparable.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase } from "./recorded-case.ts";

/** Expects of what we did that it is what the reference did, but for what is meant to be different. */
export function expectConformance(given: ConformanceCase, ours: Played, reference: Played): void {
  const expected = expectedOf(given, reference);
  expect(comparableOf(given, ours, expected)).toEqual(expected);
}
