import { expect } from "vitest";
import { differencesOf } from "./intended-differences.ts";
import { withoutHint } from "./own-additions.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase } from "./recorded-case.ts";

/** Expects of what we did that it is what the reference did, but for what is meant to be different. */
export function expectConformance(given: ConformanceCase, ours: Played, reference: Played): void {
  const differences = differencesOf(given);
  const expected = differences.reduce((played, { expect }) => expect?.(played) ?? played, reference);
  const comparable = differences.reduce((played, { ours: edit }) => edit?.(played) ?? played, ours);
  expect({
    ...comparable,
    previous: comparable.previous && expected.previous && withoutHint(comparable.previous, expected.previous),
    run: withoutHint(comparable.run, expected.run),
  }).toEqual(expected);
}
