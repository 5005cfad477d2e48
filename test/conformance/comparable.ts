import { differencesOf } from "./intended-differences.ts";
import { withoutHint } from "./own-additions.ts";
import type { Played } from "./play-case.ts";
import type { ConformanceCase } from "./recorded-case.ts";

/** What we should do where the reference does this. */
export function expectedOf(given: ConformanceCase, reference: Played): Played {
  return differencesOf(given).reduce((played, { expect }) => expect?.(played) ?? played, reference);
}

/** What of that which we did can be compared with what is expected. */
export function comparableOf(given: ConformanceCase, ours: Played, expected: Played): Played {
  const edited = differencesOf(given).reduce((played, { ours: edit }) => edit?.(played, expected) ?? played, ours);
  return {
    ...edited,
    previous: edited.previous && expected.previous && withoutHint(edited.previous, expected.previous),
    run: withoutHint(edited.run, expected.run),
  };
}
