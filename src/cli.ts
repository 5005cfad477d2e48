import { homedir, tmpdir } from "node:os";
import { EXIT_CODES } from "./cnb/exit-codes.ts";
import { VERSION } from "./export/release.ts";
import { runExport } from "./export/run-export.ts";
import { Fault, messageOf } from "./faults/fault.ts";
import { readAvailableCores } from "./inputs/available-cores.ts";
import { parseCommandLine, type RunCommand } from "./inputs/command-line.ts";
import type { Analyzed, ExportSettings } from "./inputs/export-inputs.ts";
import { warnFlagLikePositionals } from "./inputs/flag-like-positionals.ts";
import { parseInvocation } from "./inputs/invocation.ts";
import { parseLogLevel } from "./inputs/log-level.ts";
import { refuseUnsupported } from "./inputs/refuse-unsupported.ts";
import { resolveSettings } from "./inputs/resolve-settings.ts";
import { parseLogFormat } from "./inputs/tuning.ts";
import { parseReference } from "./oci/reference.ts";
import { ensureOwner, runAs } from "./privileges.ts";
import { Log } from "./report/log.ts";
import { stdioSink } from "./report/stdio-sink.ts";
import { type Keychain, resolveKeychain } from "./transport/keychain.ts";

const { env } = process;
const [out, err] = [stdioSink(1), stdioSink(2)];
const logger = new Log(out, err);

/** The exit code of a process that a signal ended, as shells count it. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The whole command, in the order of contract 1.2. @returns the exit code */
async function main(signal: AbortSignal): Promise<number> {
  const invocation = parseInvocation(env.TANDEM_INVOKED_AS ?? "exporter", process.argv.slice(2));
  if (invocation.kind === "version") return printVersion();
  const command = parseCommandLine(invocation.args, env, { cores: readAvailableCores(), tempDir: tmpdir() });
  if (command.kind === "version") return printVersion();
  if (command.kind === "exit") {
    err.write(command.stderr);
    return command.exitCode;
  }
  await run(command, invocation.phase, signal);
  return EXIT_CODES.success;
}

function printVersion(): number {
  logger.info(VERSION);
  return EXIT_CODES.success;
}

async function run(command: RunCommand, phase: string, signal: AbortSignal): Promise<void> {
  const { flags, positionals } = command;
  const look = { isColoured: !flags.bool("no-color"), format: parseLogFormat(flags) };
  logger.configure({ ...look, level: "debug" });
  logger.configure({ ...look, level: parseLogLevel(flags.string("log-level")) });
  warnFlagLikePositionals(positionals, logger);
  logger.debug(`Starting ${phase}...`);
  logger.debug("Parsing inputs...");
  const inputs = await resolveSettings(command, { env, cwd: process.cwd() }, logger);
  refuseUnsupported(inputs.settings);
  logger.debug("Ensuring privileges...");
  const keychain = await takePrivileges(inputs.settings, inputs.analyzed, signal);
  signal.throwIfAborted();
  logger.debug("Executing command...");
  await runExport(inputs, { logger, environment: env, keychain }, signal);
}

/** None for the path of a layout, which may be no name of an image. */
function registryOf(image: string): string[] {
  try {
    return [parseReference(image).registry];
  } catch {
    return [];
  }
}

/** Reads credentials while the process may, gives cache directories away, then drops privileges (contract 9.1, 10.5). */
async function takePrivileges(settings: ExportSettings, analyzed: Analyzed, signal: AbortSignal): Promise<Keychain> {
  const { cacheImage, outputImage, additionalTags, previousImage, buildImage, runImage } = settings;
  const images = [
    cacheImage,
    outputImage,
    ...additionalTags,
    previousImage,
    buildImage,
    runImage,
    analyzed.previousImage,
  ];
  const registries = images.filter((image) => image !== "").flatMap(registryOf);
  const onIgnored = (error: unknown) => logger.debug(`Ignoring credentials: ${messageOf(error)}`);
  const keychain = await resolveKeychain(env, homedir(), [...new Set(registries)], onIgnored, signal);
  ensureOwner(settings.uid, settings.gid, [settings.cacheDir, settings.launchCacheDir]);
  runAs(settings.uid, settings.gid);
  return keychain;
}

function report(error: unknown): number {
  const hint = error instanceof Fault && error.hint !== undefined ? `\n${error.hint}` : "";
  logger.error(`${messageOf(error)}${hint}`);
  return (error instanceof Fault ? error.exitCode : undefined) ?? EXIT_CODES.failed;
}

const controller = new AbortController();
for (const [name, exitCode] of Object.entries(SIGNALS))
  process.on(name, () => {
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort(new Fault("EXPORT_CANCELLED", `stopped by ${name}`, { exitCode }));
  });

main(controller.signal)
  .catch(report)
  .then((exitCode) => process.exit(exitCode));
