import { ALL_FLAGS } from "../../src/inputs/flags.ts";
import type { Outcome } from "./recorded-case.ts";

const OWN_FLAGS = new Set(ALL_FLAGS.filter(({ group }) => group === "additional").map(({ name }) => name));

/** Takes the flags that the reference does not have out of a usage block: two lines each. */
export function withoutOwnFlags(outcome: Outcome): Outcome {
  const isOwn = (line = "") => OWN_FLAGS.has(/^ {2}-(\S+)/.exec(line)?.[1] ?? "");
  const stderr = outcome.stderr.filter((line, i, lines) => !isOwn(line) && !isOwn(lines[i - 1]));
  return { ...outcome, stderr };
}

/**
 * Makes the reference's usage block out of our answer to `-h`, which has the same flags in groups, with their
 * variables.
 */
export function asUsageBlock(outcome: Outcome): Outcome {
  if (!outcome.stderr[0]?.startsWith("Usage: ")) return outcome;
  const flags = outcome.stderr.flatMap((line, i, lines) =>
    /^ {2}-/.test(line) ? [[line, lines[i + 1]?.replace(/ \[\$\w+\]/g, "") ?? ""]] : [],
  );
  const nameOf = ([line = ""]: string[]) => /-(\S+)/.exec(line)?.[1] ?? "";
  const sorted = flags.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return { ...outcome, stderr: ["Usage of lifecycle:", ...sorted.flat()] };
}

/**
 * Removes the text that our errors add to the reference's: the lines that follow the last one of `expected`, if that is
 * an error's and they are not warnings or errors of their own.
 */
export function withoutHint(outcome: Outcome, expected: Outcome): Outcome {
  const { length } = expected.stderr;
  const isError = expected.stderr.some((line) => /^(\S+\[31;1m)?ERROR: /.test(line));
  const more = outcome.stderr.slice(length);
  if (!isError || more.some((line) => /(Warning|ERROR): /.test(line))) return outcome;
  return { ...outcome, stderr: outcome.stderr.slice(0, length) };
}
