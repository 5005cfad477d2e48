import { expect } from "vitest";
import { comparableOf, expectedOf } from "./comparable.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase } from "./recorded-case.ts";

/** Expects our result to equal the reference's, except for the intended differences. */
export function expectConformance(given: ConformanceCase, ours: Played, reference: Played): void {
  const expected = expectedOf(given, reference);
  expect(comparableOf(given, ours, expected)).toEqual(expected);
}
