import { homedir, tmpdir } from "node:os";
import { EXIT_CODES } from "./cnb/exit-codes.ts";
import { runCreator } from "./create/run-creator.ts";
import { VERSION } from "./export/release.ts";
import { runExport } from "./export/run-export.ts";
import { Fault, messageOf } from "./faults/fault.ts";
import { readAvailableCores } from "./inputs/available-cores.ts";
import { parseCommandLine, type RunCommand } from "./inputs/command-line.ts";
import { warnFlagLikePositionals } from "./inputs/flag-like-positionals.ts";
import { type PhaseInvocation, parseInvocation } from "./inputs/invocation.ts";
import { parseLogLevel } from "./inputs/log-level.ts";
import { type ResolvedInputs, resolveSettings } from "./inputs/resolve-settings.ts";
import { parseLogFormat } from "./inputs/tuning.ts";
import { ensureOwner, runAs } from "./privileges.ts";
import { Log } from "./report/log.ts";
import { stdioSink } from "./report/stdio-sink.ts";
import { listenForStop } from "./stop-signals.ts";
import { DockerClient } from "./transport/docker-client.ts";
import { keychainFor } from "./transport/image-keychain.ts";
import type { Keychain } from "./transport/keychain.ts";

/** How the program was called; the rest of the environment is passed on to programs that are started. */
const { TANDEM_INVOKED_AS: program = "exporter", ...env } = process.env;
const [out, err] = [stdioSink(1), stdioSink(2)];
const logger = new Log(out, err);

/** The whole command, in the order of contract 1.2. @returns the exit code */
async function main(signal: AbortSignal): Promise<number> {
  const invocation = parseInvocation(program, process.argv.slice(2));
  if (invocation.kind === "version") return printVersion();
  const machine = { cores: readAvailableCores(), tempDir: tmpdir() };
  const command = parseCommandLine(invocation.command, invocation.args, env, machine);
  if (command.kind === "version") return printVersion();
  if (command.kind === "exit") {
    err.write(command.stderr);
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
  const own = { program, env, cwd: process.cwd(), home: homedir(), logger };
  if (invocation.command === "creator") return runCreator(command, own, signal);
  const inputs = await resolveSettings(command, own, logger);
  logger.debug("Ensuring privileges...");
  const secured = await takePrivileges(inputs, signal);
  signal.throwIfAborted();
  logger.debug("Executing command...");
  await runExport(inputs, { logger, environment: env, ...secured }, signal);
  return EXIT_CODES.success;
}

/** The images that may be in a registry: beside a daemon, the cache image only. */
function imagesOf({ settings, analyzed }: ResolvedInputs): readonly string[] {
  const { cacheImage, outputImage, additionalTags, previousImage, buildImage, runImage } = settings;
  if (settings.daemon) return [cacheImage];
  return [cacheImage, outputImage, ...additionalTags, previousImage, buildImage, runImage, analyzed.previousImage];
}

/** What was read and opened while the process might. */
interface Secured {
  readonly keychain: Keychain;
  readonly docker: DockerClient | undefined;
}

/**
 * Reads credentials and connects to the daemon while the process may, gives cache directories away, then drops privileges
 * (contract 9.1, 10.5).
 */
async function takePrivileges(inputs: ResolvedInputs, signal: AbortSignal): Promise<Secured> {
  const { settings } = inputs;
  const onIgnored = (error: unknown) => logger.debug(`Ignoring credentials: ${messageOf(error)}`);
  const keychain = await keychainFor(imagesOf(inputs), env, homedir(), onIgnored, signal);
  const docker = settings.daemon ? await DockerClient.connect(env) : undefined;
  ensureOwner(settings.uid, settings.gid, [settings.cacheDir, settings.launchCacheDir]);
  runAs(settings.uid, settings.gid);
  return { keychain, docker };
}

function report(error: unknown): number {
  const hint = error instanceof Fault && error.hint !== undefined ? `\n${error.hint}` : "";
  logger.error(`${messageOf(error)}${hint}`);
  return (error instanceof Fault ? error.exitCode : undefined) ?? EXIT_CODES.failed;
}

main(listenForStop())
  .catch(report)
  .then((exitCode) => process.exit(exitCode));
