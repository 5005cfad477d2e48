import { goQuote } from "../faults/go-quote.ts";
import type { FlagDefinition } from "./go-flags.ts";

const TYPE_WORD = { string: " string", int: " int", list: " value", bool: "" } as const;

/**
 * The usage block of Go's flag package for a flag set named `lifecycle` (docs/compatibility.md#flag-syntax): flags in
 * byte order of name, each with the value it has if the command line does not set it.
 */
export function buildUsage(definitions: readonly FlagDefinition[]): string {
  const lines = [...definitions].sort((a, b) => (a.name < b.name ? -1 : 1)).map(flagUsage);
  return `Usage of lifecycle:\n${lines.join("")}`;
}

/** The two lines of a flag in a usage block. */
export function flagUsage(flag: FlagDefinition): string {
  return `  -${flag.name}${TYPE_WORD[flag.type]}\n    \t${flag.usage}${defaultText(flag)}\n`;
}

function defaultText(flag: FlagDefinition): string {
  switch (flag.type) {
    case "string":
      return flag.initial === "" ? "" : ` (default ${goQuote(flag.initial)})`;
    case "bool":
      return flag.initial ? " (default true)" : "";
    case "int":
      return flag.initial === 0 ? "" : ` (default ${flag.initial})`;
    case "list": {
      // Go compares the printed form with that of an empty list, so one empty element shows no default either.
      const elements = flag.initial.join(" ");
      return elements === "" ? "" : ` (default [${elements}])`;
    }
  }
}
