import { EXIT_CODES } from "./cnb/exit-codes.ts";
import { VERSION } from "./export/release.ts";
import type { StartThreads } from "./export/run-export.ts";
import { Fault, messageAndHint } from "./faults/fault.ts";
import { parseCommandLine, type RunCommand } from "./inputs/command-line.ts";
import type { Environment } from "./inputs/environment.ts";
import type { ExportSettings } from "./inputs/export-inputs.ts";
import { warnFlagLikePositionals } from "./inputs/flag-like-positionals.ts";
import { type PhaseInvocation, parseInvocation } from "./inputs/invocation.ts";
import { parseLogLevel } from "./inputs/log-level.ts";
import { readMachine } from "./inputs/machine.ts";
import { parseLogFormat } from "./inputs/tuning.ts";
import { ensureOwner } from "./privileges.ts";
import { temporaryDirectory } from "./process-inputs.ts";
import { CommandOutput } from "./report/command-output.ts";
import { Log } from "./report/log.ts";
import type { OutputSink } from "./report/output.ts";
import { overdue } from "./stop-signals.ts";

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
    const { runCreator } = await import("./create/run-creator.ts");
    return runCreator(command, own, signal);
  }
  // Chowns cache directories to the user of the build, then becomes that user
  // (docs/compatibility.md#users-and-permissions).
  const dropPrivileges = ({ uid, gid, cacheDir, launchCacheDir }: ExportSettings) => {
    ensureOwner(uid, gid, [cacheDir, launchCacheDir]);
    runAs(uid, gid);
  };
  const { runCommand } = await import("./export/run-command.ts");
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
