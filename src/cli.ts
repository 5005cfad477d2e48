import { homedir, tmpdir } from "node:os";
import { EXIT_CODES } from "./cnb/exit-codes.ts";
import { runCreator } from "./create/run-creator.ts";
import { VERSION } from "./export/release.ts";
import { runCommand } from "./export/run-command.ts";
import { Fault, messageOf } from "./faults/fault.ts";
import { readAvailableCores } from "./inputs/available-cores.ts";
import { parseCommandLine, type RunCommand } from "./inputs/command-line.ts";
import type { ExportSettings } from "./inputs/export-inputs.ts";
import { warnFlagLikePositionals } from "./inputs/flag-like-positionals.ts";
import { type PhaseInvocation, parseInvocation } from "./inputs/invocation.ts";
import { parseLogLevel } from "./inputs/log-level.ts";
import { parseLogFormat } from "./inputs/tuning.ts";
import { ensureOwner, runAs } from "./privileges.ts";
import { CommandOutput } from "./report/command-output.ts";
import { Log } from "./report/log.ts";
import { stdioSink } from "./report/stdio-sink.ts";
import { listenForStop } from "./stop-signals.ts";

/** How the program was called; the rest of the environment is passed on to programs that are started. */
const { TANDEM_INVOKED_AS: program = "exporter", ...env } = process.env;
const output = new CommandOutput(stdioSink(1), stdioSink(2));
const logger = new Log(output.out, output.err);

/** The whole command, in the order of contract 1.2. @returns the exit code */
async function main(signal: AbortSignal): Promise<number> {
  const invocation = parseInvocation(program, process.argv.slice(2));
  if (invocation.kind === "version") return printVersion();
  const machine = { cores: readAvailableCores(), tempDir: tmpdir() };
  const command = parseCommandLine(invocation.command, invocation.args, env, machine);
  if (command.kind === "version") return printVersion();
  if (command.kind === "exit") {
    output.err.write(command.stderr);
    return command.exitCode;
  }
  return run(command, invocation, signal);
}

function printVersion(): number {
  logger.info(VERSION);
  return EXIT_CODES.success;
}

async function run(command: RunCommand, invocation: PhaseInvocation, signal: AbortSignal): Promise<number> {
  const { flags, positionals } = command;
  const look = { isColoured: !flags.bool("no-color"), format: parseLogFormat(flags) };
  logger.configure({ ...look, level: "debug" });
  logger.configure({ ...look, level: parseLogLevel(flags.string("log-level")) });
  warnFlagLikePositionals(positionals, logger);
  logger.debug(`Starting ${invocation.phase}...`);
  logger.debug("Parsing inputs...");
  const own = { program, env, cwd: process.cwd(), home: homedir(), logger, output };
  if (invocation.command === "creator") return runCreator(command, own, signal);
  await runCommand(command, { ...own, dropPrivileges }, signal);
  return EXIT_CODES.success;
}

/** Gives cache directories to the user of the build, and becomes that user (contract 10.5). */
function dropPrivileges({ uid, gid, cacheDir, launchCacheDir }: ExportSettings): void {
  ensureOwner(uid, gid, [cacheDir, launchCacheDir]);
  runAs(uid, gid);
}

function report(error: unknown): number {
  const hint = error instanceof Fault && error.hint !== undefined ? `\n${error.hint}` : "";
  logger.error(`${messageOf(error)}${hint}`);
  return (error instanceof Fault ? error.exitCode : undefined) ?? EXIT_CODES.failed;
}

main(listenForStop())
  .catch(report)
  .then((exitCode) => process.exit(exitCode));
