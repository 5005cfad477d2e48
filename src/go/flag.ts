import { goQuote } from "./format.ts";
import { parseGoBool, parseGoInt } from "./strconv.ts";

export interface FlagTypes {
  readonly string: string;
  readonly bool: boolean;
  readonly int: number;
  readonly list: readonly string[];
}

export type FlagValue = FlagTypes[keyof FlagTypes];

export type FlagDefinition = { readonly name: string; readonly usage: string } & {
  [Type in keyof FlagTypes]: { readonly type: Type; readonly initial: FlagTypes[Type] };
}[keyof FlagTypes];

type FlagOutcome =
  | {
      readonly kind: "parsed";
      readonly values: ReadonlyMap<string, FlagValue>;
      readonly positionals: readonly string[];
    }
  | { readonly kind: "help" }
  | { readonly kind: "error"; readonly line: string };

/**
 * Parses a command line by the grammar of Go's flag package (docs/compatibility.md#flag-syntax): one dash or two,
 * `-x=v` or `-x v`, booleans without a following argument; flags end at the first argument that is not a flag.
 */
export function parseGoFlags(definitions: readonly FlagDefinition[], args: readonly string[]): FlagOutcome {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const values = new Map<string, FlagValue>(definitions.map(({ name, initial }) => [name, initial]));
  const rest = [...args];
  for (;;) {
    const token = readToken(rest);
    if (token.kind === "end") return { kind: "parsed", values, positionals: rest };
    if (token.kind === "error") return token;
    const { name } = token;
    const definition = byName.get(name);
    if (definition === undefined) {
      if (name === "help" || name === "h") return { kind: "help" };
      return { kind: "error", line: `flag provided but not defined: -${name}` };
    }
    const text = token.text ?? (definition.type === "bool" ? "true" : rest.shift());
    if (text === undefined) return { kind: "error", line: `flag needs an argument: -${name}` };
    const value = convert(definition, text, values.get(name));
    if (!value.ok) {
      const flag = definition.type === "bool" ? "" : "flag ";
      const what = definition.type === "bool" ? "boolean value" : "value";
      return { kind: "error", line: `invalid ${what} ${goQuote(text)} for ${flag}-${name}: ${value.reason}` };
    }
    values.set(name, value.value);
  }
}

type Token =
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly line: string }
  | { readonly kind: "flag"; readonly name: string; readonly text: string | undefined };

function readToken(args: string[]): Token {
  const argument = args[0];
  if (argument === undefined || argument.length < 2 || !argument.startsWith("-")) return { kind: "end" };
  if (argument === "--") {
    args.shift();
    return { kind: "end" };
  }
  const body = argument.slice(argument.startsWith("--") ? 2 : 1);
  if (body.startsWith("-") || body.startsWith("=")) return { kind: "error", line: `bad flag syntax: ${argument}` };
  args.shift();
  const equals = body.indexOf("=");
  if (equals < 0) return { kind: "flag", name: body, text: undefined };
  return { kind: "flag", name: body.slice(0, equals), text: body.slice(equals + 1) };
}

type Converted = { readonly ok: true; readonly value: FlagValue } | { readonly ok: false; readonly reason: string };

function convert(definition: FlagDefinition, text: string, current: FlagValue | undefined): Converted {
  switch (definition.type) {
    case "string":
      return { ok: true, value: text };
    case "bool": {
      const value = parseGoBool(text);
      return value === undefined ? { ok: false, reason: "parse error" } : { ok: true, value };
    }
    case "int": {
      const value = parseGoInt(text);
      return typeof value === "bigint" ? { ok: true, value: Number(value) } : { ok: false, reason: value };
    }
    case "list":
      return { ok: true, value: [...(Array.isArray(current) ? current : []), text] };
  }
}

const TYPE_WORD = { string: " string", int: " int", list: " value", bool: "" } as const;

/**
 * The usage block of Go's flag package for a flag set named `lifecycle` (docs/compatibility.md#flag-syntax): flags in
 * byte order of name, each with its default.
 */
export function buildUsage(definitions: readonly FlagDefinition[]): string {
  const lines = [...definitions].sort((a, b) => (a.name < b.name ? -1 : 1)).map(flagUsage);
  return `Usage of lifecycle:\n${lines.join("")}`;
}

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
