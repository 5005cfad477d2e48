/** `-progress`, as it was given. */
export type ProgressFlag = "auto" | "tty" | "plain" | "none";

/** What a terminal, or what is there instead, is said to be. */
export interface TerminalFacts {
  /** Whether the log goes to a terminal. */
  readonly isTerminal: boolean;
  /** TERM, CI. */
  readonly environment: { readonly TERM?: string | undefined; readonly CI?: string | undefined };
}

/**
 * How progress is shown: bars, lines after so many ms and then every so many ms, or not.
 *
 * Without a terminal, platforms read the log, and an export that is quick says there what the reference says and nothing else; one
 * that takes long enough for people to wonder tells how far it is. A terminal that cannot move its cursor, and that of a CI, whose
 * log is read afterwards, count as none.
 */
export type ProgressMode =
  | { readonly kind: "bars" }
  | { readonly kind: "lines"; readonly everyMs: number }
  | { readonly kind: "none" };

/** Decides what `-progress` means here. */
export function chooseProgress(flag: ProgressFlag, { isTerminal, environment }: TerminalFacts): ProgressMode {
  if (flag === "none") return { kind: "none" };
  if (flag === "tty") return { kind: "bars" };
  if (flag === "plain") return { kind: "lines", everyMs: 5_000 };
  const { TERM, CI = "" } = environment;
  const isCi = CI !== "" && CI !== "0" && CI !== "false";
  return isTerminal && TERM !== "dumb" && !isCi ? { kind: "bars" } : { kind: "lines", everyMs: 10_000 };
}
