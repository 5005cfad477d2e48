import { posix } from "node:path";
import { gates, PLATFORM_API_ENV, type PlatformApi, type PlatformGates, parsePlatformApi } from "../cnb/api.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, type FaultDetails } from "../errors/fault.ts";
import { buildUsage, type FlagDefinition, type FlagValue, parseGoFlags } from "../go/flag.ts";
import { goQuote } from "../go/format.ts";
import { parseGoBool, parseGoDecimal } from "../go/strconv.ts";
import type { Environment } from "../process/environment.ts";
import type { Machine } from "../process/machine.ts";
import { areIds, MAX_ID } from "../process/privileges.ts";
import { ALL_FLAGS, type Command, type Flag, type FlagOptions, type FlagValues } from "./flags.ts";
import { buildHelp } from "./help.ts";

export type Invocation = { readonly kind: "version" } | PhaseInvocation;

interface PhaseInvocation {
  readonly kind: "phase";
  readonly command: Command;
  readonly phase: string;
  readonly args: readonly string[];
}

const PHASES = "detect, analyze, restore, build, export, rebase, create, extend";

const PROGRAMS: ReadonlyMap<string, Command> = new Map([
  ["exporter", "exporter"],
  ["creator", "creator"],
]);

const ACTIONS: ReadonlyMap<string, Command> = new Map([
  ["export", "exporter"],
  ["create", "creator"],
]);

/**
 * A program named `exporter` or `creator`, ignoring an extension, is that command; any other name takes the action,
 * `export` or `create`, from its first argument.
 * @param program path by which the program was started
 * @throws Fault with exit code 3 for another action or none
 */
export function parseInvocation(program: string, args: readonly string[]): Invocation {
  const base = posix.basename(program);
  const dot = base.lastIndexOf(".");
  const name = dot < 0 ? base : base.slice(0, dot);
  const command = PROGRAMS.get(name);
  if (command !== undefined) return { kind: "phase", command, phase: name, args };
  const [word, ...rest] = args;
  if (word === undefined) throw usageFault("failed to parse arguments");
  if (word === "-version") return { kind: "version" };
  const phase = posix.basename(word);
  const action = ACTIONS.get(phase);
  if (action !== undefined) return { kind: "phase", command: action, phase, args: rest };
  throw usageFault(`failed to recognize phase: ${phase} `, {
    hint: `Valid phases: ${PHASES}\nThis program supports only export and create.`,
  });
}

export function usageFault(message: string, details: FaultDetails = {}): Fault {
  return new Fault("EXPORT_ARGS_INVALID", message, { exitCode: EXIT_CODES.invalidArgs, ...details });
}

export type CommandLine =
  | { readonly kind: "exit"; readonly exitCode: number; readonly stderr: string }
  | { readonly kind: "version" }
  | ({ readonly kind: "run" } & ParsedCommand);

export interface ParsedCommand {
  readonly platformApi: PlatformApi;
  readonly machine: Machine;
  readonly flags: FlagValues;
  readonly positionals: readonly string[];
}

/**
 * Steps 1 to 3 of docs/compatibility.md#order-of-operations: the Platform API, then flags, with environment and
 * defaults as fallbacks.
 * @throws Fault with exit code 11 if CNB_PLATFORM_API is missing or unsupported, whatever the arguments are
 */
export function parseCommandLine(
  name: Command,
  args: readonly string[],
  env: Environment,
  machine: Machine,
): CommandLine {
  const platformApi = parsePlatformApi(env[PLATFORM_API_ENV]);
  const holds = gates(platformApi);
  const flags = ALL_FLAGS.map((flag) => ({ ...flag, definition: define(flag, env, machine) }));
  const defined = flags.filter((flag) => exists(flag, name, holds));
  const definitions = defined.map(({ definition }) => definition);
  const outcome = parseGoFlags(definitions, args);
  if (outcome.kind === "help") return { kind: "exit", exitCode: EXIT_CODES.success, stderr: buildHelp(name, defined) };
  if (outcome.kind === "error")
    return { kind: "exit", exitCode: EXIT_CODES.flagSyntax, stderr: `${outcome.line}\n${buildUsage(definitions)}` };
  const values = flagValues(env, machine, (flag) => outcome.values.get(flag.name));
  if (values.version) return { kind: "version" };
  return { kind: "run", platformApi, machine, flags: values, positionals: outcome.positionals };
}

function exists({ command, since, until }: Flag, name: Command, holds: PlatformGates): boolean {
  if (command !== undefined && command !== name) return false;
  if (since !== undefined && !holds[since]) return false;
  return until?.command !== name || !holds[until.gate];
}

/**
 * Node.js encodes paths in UTF-8, so that a path of other bytes would name another file.
 * @throws Fault for a value that is not UTF-8
 */
export function checkTexts({ flags, positionals }: ParsedCommand): void {
  const given = ALL_FLAGS.map(({ key, name }) => [`-${name}`, flags[key]] as const);
  for (const [what, value] of [...given, ["an image", positionals] as const])
    for (const text of [value].flat())
      if (typeof text === "string" && !text.isWellFormed())
        throw usageFault(`invalid value ${goQuote(text)} for ${what}: it is not UTF-8`, {
          hint: "Use a name in UTF-8: rename the file, or link to it.",
        });
}

function flagValues(env: Environment, machine: Machine, given: (flag: Flag) => FlagValue | undefined): FlagValues {
  const entries = ALL_FLAGS.map((flag) => [flag.key, given(flag) ?? define(flag, env, machine).initial]);
  return Object.fromEntries(entries);
}

function define(flag: Flag, env: Environment, machine: Machine): FlagDefinition {
  const { name, type, usage } = flag;
  const text = env[flag.env ?? ""] ?? "";
  const fallback = typeof flag.fallback === "function" ? flag.fallback(machine) : flag.fallback;
  switch (type) {
    case "string":
      return { name, usage, type, initial: text || String(fallback ?? "") };
    case "bool":
      return { name, usage, type, initial: isTrue(text) || isTrue(env[flag.alsoEnv ?? ""]) };
    case "int":
      return { name, usage, type, initial: text === "" ? Number(fallback ?? 0) : Number(parseGoDecimal(text) ?? 0) };
    case "list":
      return { name, usage, type, initial: text === "" ? [] : text.split(",") };
  }
}

function isTrue(text = ""): boolean {
  return parseGoBool(text) ?? false;
}

/** At least one reference. */
export type ImageNames = readonly [string, ...string[]];

/**
 * What to export and how: each option but `images` is the exporter's flag of that name (docs/compatibility.md#flags,
 * README.md). An omitted option is taken from the flag's environment variable, then from its default. Relative paths
 * are resolved against the working directory. The log and faults name an option by its flag: `cacheDir` is
 * `-cache-dir`.
 * @interface
 */
export type ExportOptions = {
  /**
   * Names of the app image. The first is its name in the log; all point to it in the end. In layout mode they become
   * paths.
   */
  readonly images: ImageNames;
} & FlagOptions;

export function parseOptions(given: ExportOptions, env: Environment, machine: Machine): ParsedCommand {
  if (typeof given !== "object" || given === null) throw usageFault("the options must be an object");
  checkVariables(env);
  const { images, ...options } = given;
  const platformApi = parsePlatformApi(env[PLATFORM_API_ENV]);
  if (!IS_OF_TYPE.list(images)) throw usageFault("the option images must be an array of strings");
  if (images.length === 0) throw usageFault("the option images must name at least one image");
  const values = new Map<string, FlagValue | undefined>(Object.entries(options));
  const flags = flagValues(env, machine, ({ key }) => values.get(key));
  for (const [name, value] of values) checkOption(name, value);
  // The command fails when it switches to such a user.
  if (!areIds(flags.uid, flags.gid)) throw usageFault(`the options uid and gid must be ids from 0 to ${MAX_ID}`);
  const command = { platformApi, machine, flags, positionals: images };
  checkTexts(command);
  return command;
}

/** Node.js converts such values for a child process, so callers may expect that here. */
function checkVariables(env: Environment): void {
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && typeof value !== "string") throw usageFault(`the variable ${name} must be a string`);
}

function checkOption(name: string, value: FlagValue | undefined): void {
  const flag = ALL_FLAGS.find(({ key, library }) => key === name && library);
  if (flag === undefined) throw usageFault(`unknown option ${name}`);
  if (value !== undefined && !IS_OF_TYPE[flag.type](value))
    throw usageFault(`the option ${name} must be ${TYPE_NAMES[flag.type]}`);
}

const IS_OF_TYPE: Readonly<Record<Flag["type"], (value: FlagValue) => boolean>> = {
  string: (value) => typeof value === "string",
  bool: (value) => typeof value === "boolean",
  int: Number.isSafeInteger,
  list: (value) => Array.isArray(value) && value.every((element) => typeof element === "string"),
};

const TYPE_NAMES = {
  string: "a string",
  bool: "a boolean",
  int: "a whole number",
  list: "an array of strings",
} as const;
