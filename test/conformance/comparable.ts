import { differencesOf } from "./intended-differences.ts";
import { withoutHint } from "./own-additions.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase } from "./recorded-case.ts";

/** Our expected result, given the reference's. */
export function expectedOf(given: ConformanceCase, reference: Played): Played {
  return differencesOf(given).reduce((played, { expect }) => expect?.(played) ?? played, reference);
}

/** The part of our result that can be compared with the expected one. */
export function comparableOf(given: ConformanceCase, ours: Played, expected: Played): Played {
  const edited = differencesOf(given).reduce((played, { ours: edit }) => edit?.(played, expected) ?? played, ours);
  return {
    ...edited,
    previous: edited.previous && expected.previous && withoutHint(edited.previous, expected.previous),
    run: withoutHint(edited.run, expected.run),
  };
}
