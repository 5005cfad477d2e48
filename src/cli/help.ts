import { goQuote } from "../go/format.ts";
import { type Command, REFERENCE_FLAGS } from "./flags.ts";
import type { FlagDefinition } from "./parse.ts";

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

const ARGUMENTS: Readonly<Record<Command, string>> = { exporter: "<image> [<tag>...]", creator: "<image>" };

/** What a person looks for first: what is exported, where from, where to. */
const USUAL = new Set([
  "app",
  "buildpacks",
  "cache-dir",
  "cache-image",
  "daemon",
  "layers",
  "layout",
  "layout-dir",
  "log-level",
  "parallel",
  "previous-image",
  "process-type",
  "run-image",
  "tag",
]);
/** Rejected by the exporter, as by the reference's (step 4 of docs/compatibility.md#input-resolution). */
const REFUSED: Readonly<Record<Command, readonly string[]>> = { exporter: ["image", "run-image"], creator: [] };

const REFERENCE_NAMES = new Set<string>(REFERENCE_FLAGS.map(({ name }) => name));

/** A flag and the variables that set it. */
export interface HelpFlag {
  readonly definition: FlagDefinition;
  readonly variables: readonly string[];
}

/**
 * The answer to `-h`: the usual flags first, then the rest of the lifecycle's, then our own, each with its environment variable. Errors
 * in flags show the reference's block instead.
 */
export function buildHelp(command: Command, flags: readonly HelpFlag[]): string {
  const isRefused = ({ definition }: HelpFlag) => REFUSED[command].includes(definition.name);
  const isOwn = ({ definition }: HelpFlag) => !REFERENCE_NAMES.has(definition.name);
  const isUsual = ({ definition }: HelpFlag) => USUAL.has(definition.name);
  const shown = flags.filter((flag) => !isRefused(flag));
  const sections = [
    section("Usual flags", shown.filter(isUsual)),
    section(
      "More flags of the lifecycle",
      shown.filter((flag) => !isUsual(flag) && !isOwn(flag)),
    ),
    section("Flags that only this implementation has", shown.filter(isOwn)),
    section("Only there to be refused", flags.filter(isRefused)),
  ];
  const head = `Usage: ${command} [<flag>...] ${ARGUMENTS[command]}\n\nThe default of a flag is its variable's value, where that is set.\n`;
  return `${head}${sections.join("")}`;
}

function section(title: string, flags: readonly HelpFlag[]): string {
  if (flags.length === 0) return "";
  const lines = flags.map(({ definition, variables }) => {
    const usage = [definition.usage, ...variables.map((name) => `[$${name}]`)].join(" ");
    return flagUsage({ ...definition, usage });
  });
  return `\n${title}:\n${lines.toSorted().join("")}`;
}
