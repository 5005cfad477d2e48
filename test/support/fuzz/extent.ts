import { positiveNumber, wholeNumber } from "../numeric-options.ts";

/** Options of the fuzzing commands, for parseArgs. */
export const FUZZ_OPTIONS = {
  seconds: { type: "string", default: "60" },
  cases: { type: "string" },
  seed: { type: "string" },
} as const;

/** How long to fuzz, and from which seed on. */
export interface FuzzExtent {
  readonly seconds: number;
  readonly cases: number;
  readonly firstSeed: number;
}

/** By default any number of cases, from a random seed. @throws Error for an option that is not a number */
export function fuzzExtent(values: {
  readonly seconds: string;
  readonly cases?: string;
  readonly seed?: string;
}): FuzzExtent {
  const { seconds, cases, seed } = values;
  return {
    seconds: positiveNumber("seconds", seconds),
    cases: cases === undefined ? Number.POSITIVE_INFINITY : wholeNumber("cases", cases),
    firstSeed: seed === undefined ? 1 + (Date.now() % 1e9) : wholeNumber("seed", seed),
  };
}
