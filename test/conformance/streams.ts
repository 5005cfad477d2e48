import { printable } from "../../src/errors/printable.ts";
import type { Outcome } from "./recorded-case.ts";

/** A line that the reference prints as a warning or an error, in color or without. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with ESC.
const WARNING_OR_ERROR = /^(?:\x1b\[\d+;\d+m)?(Warning|ERROR): (?:\x1b\[0m)?/;

/** The line as tandem shows it: the colors of its prefix are the log's own. */
export function printableAfterPrefix(line: string): string {
  const [prefix] = WARNING_OR_ERROR.exec(line) ?? [""];
  return `${prefix}${printable(line.slice(prefix.length))}`;
}

/**
 * What the reference would print if it wrote warnings and errors to stderr
 * (docs/compatibility.md#warnings-and-errors-on-stderr). All lines after an error belong to it, because it is the last
 * message; indented lines after a warning belong to the warning.
 */
export function splitStreams(outcome: Outcome): Outcome {
  const out: string[] = [];
  const err: string[] = [];
  let level: string | undefined;
  for (const line of outcome.stdout) {
    const isContinued = level === "ERROR" || (level !== undefined && line.startsWith("\t"));
    level = WARNING_OR_ERROR.exec(line)?.[1] ?? (isContinued ? level : undefined);
    (level === undefined ? out : err).push(line);
  }
  return { ...outcome, stdout: out, stderr: [...outcome.stderr, ...err] };
}
