import { gates, PLATFORM_API_ENV, type PlatformApi, type PlatformGates, parsePlatformApi } from "../cnb/api.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { boolFrom, type Environment, intFrom, listFrom, stringFrom } from "./environment.ts";
import { type Command, type FlagRow, FlagValues, REFERENCE_FLAGS, tuningFlags } from "./flags.ts";
import { buildHelp, buildUsage, type HelpFlag } from "./help.ts";
import type { Machine } from "./machine.ts";
import { type FlagDefinition, type FlagValue, parseGoFlags } from "./parse.ts";

/**
 * What the command line asks for: print `stderr` and leave with `exitCode` (help and flag errors), print the version, or
 * run with these flags. The log level and colour of a run are known from here on.
 */
export type CommandLine =
  | { readonly kind: "exit"; readonly exitCode: number; readonly stderr: string }
  | { readonly kind: "version" }
  | ({ readonly kind: "run" } & RunCommand);

/** Parsed and not yet resolved: `resolveSettings` does the rest. */
export interface RunCommand {
  readonly platformApi: PlatformApi;
  readonly machine: Machine;
  readonly flags: FlagValues;
  /** `<image> [<tag>...]`, for the creator `<image>`; unchecked. */
  readonly positionals: readonly string[];
}

/**
 * Steps 1 to 3 of docs/compatibility.md#order-of-operations: the Platform API, then flags with environment and defaults
 * behind them.
 * @throws Fault with exit code 11 if CNB_PLATFORM_API is missing or unsupported, whatever the arguments are
 */
export function parseCommandLine(
  name: Command,
  args: readonly string[],
  env: Environment,
  machine: Machine,
): CommandLine {
  const platformApi = parsePlatformApi(env[PLATFORM_API_ENV]);
  const rows = flagRows(machine);
  const holds = gates(platformApi);
  const defined = rows.filter((row) => exists(row, name, holds));
  const flags = defined.map((row) => define(row, env));
  const outcome = parseGoFlags(flags, args);
  if (outcome.kind === "help")
    return {
      kind: "exit",
      exitCode: EXIT_CODES.success,
      stderr: buildHelp(
        name,
        defined.map((row) => help(row, env)),
      ),
    };
  if (outcome.kind === "error")
    return { kind: "exit", exitCode: EXIT_CODES.flagSyntax, stderr: `${outcome.line}\n${buildUsage(flags)}` };
  const hidden = rows.filter((row) => !exists(row, name, holds));
  const values = new FlagValues(new Map([...unparsedFlags(hidden, env), ...outcome.values]));
  if (values.bool("version")) return { kind: "version" };
  return { kind: "run", platformApi, machine, flags: values, positionals: outcome.positionals };
}

/** All flags of all commands. */
export function flagRows(machine: Machine): readonly FlagRow[] {
  return [...REFERENCE_FLAGS, ...tuningFlags(machine)];
}

/** The values that flags have when no command line gives them. */
export function unparsedFlags(rows: readonly FlagRow[], env: Environment): (readonly [string, FlagValue])[] {
  return rows.map((row) => {
    const { name, initial } = define(row, env);
    return [name, initial];
  });
}

function exists(row: FlagRow, name: Command, holds: PlatformGates): boolean {
  if (row.command !== undefined && row.command !== name) return false;
  if (row.since !== undefined && !holds[row.since]) return false;
  return row.until === undefined || !holds[row.until];
}

function help(row: FlagRow, env: Environment): HelpFlag {
  const variables = [row.env, row.alsoEnv].filter((variable) => variable !== undefined);
  return { definition: define(row, env), variables };
}

/** The flag with its value from the environment or its default (docs/compatibility.md#environment-variables). */
function define(
  { name, type, usage, env: variable = "", alsoEnv = "", fallback }: FlagRow,
  env: Environment,
): FlagDefinition {
  switch (type) {
    case "string":
      return { name, usage, type, initial: stringFrom(env, variable, String(fallback ?? "")) };
    case "bool":
      return { name, usage, type, initial: boolFrom(env, variable) || boolFrom(env, alsoEnv) };
    case "int":
      return { name, usage, type, initial: intFrom(env, variable, Number(fallback ?? 0)) };
    case "list":
      return { name, usage, type, initial: listFrom(env, variable) };
  }
}
