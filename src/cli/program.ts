import { posix } from "node:path";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, type FaultDetails, messageAndHint } from "../errors/fault.ts";
import type { StartThreads } from "../export/run.ts";
import type { Logger } from "../logger.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import { Log } from "../report/log.ts";
import { CommandOutput, type OutputSink } from "../report/output.ts";
import { VERSION } from "../version.ts";
import { parseCommandLine, type RunCommand } from "./command-line.ts";
import type { Environment } from "./environment.ts";
import type { Command } from "./flags.ts";
import { readMachine } from "./machine.ts";
import { ensureOwner } from "./privileges.ts";
import { temporaryDirectory } from "./process-inputs.ts";
import { parseLogLevel } from "./settings.ts";
import { overdue } from "./signals.ts";
import { parseLogFormat } from "./tuning.ts";

/** What the program needs to know of the process that it runs in. */
export interface ProgramProcess {
  /** Path by which it was started. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Working directory, absolute. */
  readonly cwd: string;
  /** Where docker's configuration is. */
  readonly home: string;
  readonly out: OutputSink;
  readonly err: OutputSink;
  /** Makes the process run as a user and a group. @throws Fault */
  readonly runAs: (uid: number, gid: number) => void;
  readonly startThreads?: StartThreads;
}

/**
 * Runs the whole program in the order of docs/compatibility.md#order-of-operations and logs its errors. @returns the
 * exit code
 */
export async function runProgram(process: ProgramProcess, signal: AbortSignal): Promise<number> {
  const output = new CommandOutput(process.out, process.err);
  const logger = new Log(output.out, output.err);
  const tooLate = overdue(signal);
  const work = Promise.race([parseAndRun({ ...process, output, logger }, signal), tooLate]);
  const exitCode = await work.catch((error: unknown) => report(error, logger));
  await Promise.race([finishLog(output, signal), tooLate]).catch(() => undefined);
  return signal.aborted ? exitCodeOf(signal.reason) : exitCode;
}

/** How long the log's reader may pause when the command was stopped. */
const STOPPED_PATIENCE_MS = 200;

/** Waits for the readers of the log as long as they take, unless the command is stopped. */
async function finishLog(output: CommandOutput, signal: AbortSignal): Promise<void> {
  await output.finish({ signal });
  await output.finish({ patienceMs: STOPPED_PATIENCE_MS });
}

/** The process, and what is said there. */
interface Surroundings extends ProgramProcess {
  readonly output: CommandOutput;
  readonly logger: Log;
}

async function parseAndRun(process: Surroundings, signal: AbortSignal): Promise<number> {
  const { logger, output } = process;
  const invocation = parseInvocation(process.program, process.args);
  if (invocation.kind === "version") return printVersion(logger);
  const machine = readMachine(temporaryDirectory(process.env));
  const command = parseCommandLine(invocation.command, invocation.args, process.env, machine);
  if (command.kind === "version") return printVersion(logger);
  if (command.kind === "exit") {
    output.err.write(command.stderr);
    return command.exitCode;
  }
  const exitCode = await run(command, invocation, process, signal);
  // A stop that came too late to change the images may have cut the events.
  signal.throwIfAborted();
  return exitCode;
}

function printVersion(logger: Log): number {
  logger.info(VERSION);
  return EXIT_CODES.success;
}

async function run(
  command: RunCommand,
  invocation: PhaseInvocation,
  own: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const { logger, runAs } = own;
  const { flags, positionals } = command;
  const look = { isColoured: !flags.bool("no-color"), format: parseLogFormat(flags) };
  logger.configure({ ...look, level: "debug" });
  logger.configure({ ...look, level: parseLogLevel(flags.string("log-level")) });
  warnFlagLikePositionals(positionals, logger);
  logger.debug(`Starting ${invocation.phase}...`);
  logger.debug("Parsing inputs...");
  if (invocation.command === "creator") {
    const { runCreator } = await import("../creator/creator.ts");
    return runCreator(command, own, signal);
  }
  // Chowns cache directories to the user of the build, then becomes that user
  // (docs/compatibility.md#users-and-permissions).
  const dropPrivileges = ({ uid, gid, cacheDir, launchCacheDir }: ExportSettings) => {
    ensureOwner(uid, gid, [cacheDir, launchCacheDir]);
    runAs(uid, gid);
  };
  const { runCommand } = await import("../export/command.ts");
  await runCommand(command, { ...own, dropPrivileges }, signal);
  return EXIT_CODES.success;
}

function report(error: unknown, logger: Log): number {
  logger.error(messageAndHint(error));
  return exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  return (error instanceof Fault ? error.exitCode : undefined) ?? EXIT_CODES.failed;
}

/** The command that the command line selects, and its arguments (docs/compatibility.md#program-names). */
export type Invocation = { readonly kind: "version" } | PhaseInvocation;

/** A command to run. */
export interface PhaseInvocation {
  readonly kind: "phase";
  readonly command: Command;
  /** The word that chose it, for the log. */
  readonly phase: string;
  readonly args: readonly string[];
}

/** As the reference lists them. */
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
 * A program named `exporter` or `creator`, whatever its last extension, is that; any other name takes the action from its
 * first argument, `export` or `create`.
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
  if (word === undefined) throw argumentFault("failed to parse arguments");
  if (word === "-version") return { kind: "version" };
  const phase = posix.basename(word);
  const action = ACTIONS.get(phase);
  if (action !== undefined) return { kind: "phase", command: action, phase, args: rest };
  throw argumentFault(`failed to recognize phase: ${phase} \nValid phases: ${PHASES}`, {
    hint: "Of these, this program has export and create only.",
  });
}

function argumentFault(message: string, details: FaultDetails = {}): Fault {
  return new Fault("EXPORT_ARGS_PHASE", message, { exitCode: EXIT_CODES.invalidArgs, ...details });
}

/**
 * Warns about positional arguments that look like flags, which come too late to be parsed
 * (docs/compatibility.md#odd-lines).
 */
export function warnFlagLikePositionals(positionals: readonly string[], logger: Logger): void {
  for (const argument of positionals.filter((text) => text.startsWith("-")))
    logger.warn(
      `Warning: unconsumed flag-like positional arg: \n\t${argument}\n\t This will not be interpreted as a flag.` +
        "\n\t Did you mean to put this before the first positional argument?",
    );
}
