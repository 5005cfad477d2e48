import { setFlagsFromString } from "node:v8";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, messageAndHint } from "../errors/fault.ts";
import { printable } from "../errors/printable.ts";
import type { StartThreads } from "../export/setup.ts";
import { type Command, type FlagValues, settingOf } from "../inputs/flags.ts";
import { checkTexts, type ParsedCommand, parseCommandLine, parseInvocation } from "../inputs/parse.ts";
import type { ProcessContext } from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import { temporaryDirectory } from "../process/environment.ts";
import { readMachine } from "../process/machine.ts";
import { graceExpired } from "../process/signals.ts";
import { Log } from "../report/log.ts";
import { createStandardStream } from "../report/non-blocking.ts";
import { CommandOutput, type OutputSink } from "../report/output.ts";
import { VERSION } from "../version.ts";

export interface ProgramContext extends ProcessContext {
  readonly program: string;
  readonly args: readonly string[];
  readonly home: string;
  readonly out: OutputSink;
  readonly err: OutputSink;
  readonly runAs: (uid: number, gid: number) => void;
  readonly startThreads?: StartThreads;
}

interface LoggedContext extends ProgramContext {
  readonly output: CommandOutput;
  readonly logger: Log;
}

const STOPPED_TIMEOUT_MS = 200;

export async function runProgram(context: ProgramContext, signal: AbortSignal): Promise<number> {
  const output = new CommandOutput(context.out, context.err);
  const logger = new Log(output.out, output.err);
  const tooLate = graceExpired(signal);
  const work = Promise.race([parseAndRun({ ...context, output, logger }, signal), tooLate]);
  const exitCode = await work.catch((error: unknown) => {
    logger.error(messageAndHint(error));
    return exitCodeOf(error);
  });
  await Promise.race([finishLog(output, signal), tooLate]).catch(() => undefined);
  return signal.aborted ? exitCodeOf(signal.reason) : exitCode;
}

function exitCodeOf(error: unknown): number {
  return (error instanceof Fault ? error.exitCode : undefined) ?? EXIT_CODES.failed;
}

async function finishLog(output: CommandOutput, signal: AbortSignal): Promise<void> {
  await output.finish({ signal });
  await output.finish({ timeoutMs: STOPPED_TIMEOUT_MS });
}

async function parseAndRun(context: LoggedContext, signal: AbortSignal): Promise<number> {
  const { program, args, env, logger, output } = context;
  const invocation = parseInvocation(program, args);
  if (invocation.kind === "version") return printVersion(context, signal);
  const machine = readMachine(temporaryDirectory(env));
  const command = parseCommandLine(invocation.command, invocation.args, env, machine);
  if (command.kind === "version") return printVersion(context, signal);
  if (command.kind === "exit") {
    output.err.write(printable(command.stderr));
    return command.exitCode;
  }
  configureLog(command.flags, context);
  checkTexts(command);
  warnFlagLikePositionals(command.positionals, logger);
  logger.debug(`Starting ${invocation.phase}...`);
  logger.debug("Parsing inputs...");
  const exitCode = await runCommand(invocation.command, command, context, signal);
  // A stop that came too late to change the images may have cut off events.
  signal.throwIfAborted();
  return exitCode;
}

async function printVersion({ program, env, cwd, logger }: LoggedContext, signal: AbortSignal): Promise<number> {
  const { readLifecycleVersion } = await import("../build-output/launcher-release.ts");
  const lifecycle = await readLifecycleVersion(program, env, cwd, signal);
  // Users expect the lifecycle's version, so it comes first.
  logger.info(lifecycle === undefined ? VERSION : `${lifecycle} (tandem ${VERSION})`);
  return EXIT_CODES.success;
}

/** Sets the format before the level, so that an invalid level is reported in that format. */
function configureLog(flags: FlagValues, { cwd, logger }: LoggedContext): void {
  const look = { isColored: !flags.noColor, format: settingOf("logFormat", flags, cwd) };
  logger.configure({ ...look, level: "debug" });
  logger.configure({ ...look, level: settingOf("logLevel", flags, cwd) });
}

/** Imports a command's modules, most of the program, on demand: `-version` and `-h` do not need them. */
async function runCommand(
  name: Command,
  command: ParsedCommand,
  context: LoggedContext,
  signal: AbortSignal,
): Promise<number> {
  for (const descriptor of [1, 2] as const) createStandardStream(descriptor);
  const { keepParserUnoptimized } = await import("../http/transport.ts");
  keepParserUnoptimized();
  // The options that bound the main thread's young generation would override the smaller limits of other threads.
  setFlagsFromString("--min-semi-space-size=0");
  setFlagsFromString("--max-semi-space-size=0");
  if (name === "creator") {
    const { runCreator } = await import("../creator/creator.ts");
    return runCreator(command, context, signal);
  }
  const { runExporter } = await import("./exporter.ts");
  await runExporter(command, context, signal);
  return EXIT_CODES.success;
}

/**
 * Warns about positional arguments that look like flags: Go stops parsing at the first positional
 * (docs/compatibility.md#odd-lines).
 */
export function warnFlagLikePositionals(positionals: readonly string[], logger: Logger): void {
  for (const argument of positionals.filter((text) => text.startsWith("-")))
    logger.warn(
      `Warning: unconsumed flag-like positional arg: \n\t${argument}\n\t This will not be interpreted as a flag.` +
        "\n\t Did you mean to put this before the first positional argument?",
    );
}
