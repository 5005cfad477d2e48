import { posix } from "node:path";
import { readLauncherRelease } from "../build-output/launcher-release.ts";
import { DockerClient } from "../docker/client.ts";
import type { Fault } from "../errors/fault.ts";
import { readKeychain } from "../export/keychain.ts";
import { exportBuild, type StartThreads } from "../export/setup.ts";
import { type ExportOptions, type ParsedCommand, parseOptions, usageFault } from "../inputs/parse.ts";
import { type ProcessContext, resolveSettings } from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import { reportingFailures } from "../observe/watch.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";
import { temporaryDirectory } from "../process/environment.ts";
import { readMachine } from "../process/machine.ts";
import { ensureOwner } from "../process/privileges.ts";
import type { CommandOutput } from "../report/output.ts";

interface ExporterContext extends ProcessContext {
  readonly program?: string;
  readonly home: string;
  readonly logger: Logger;
  readonly output?: CommandOutput;
  readonly onEvent?: EventSink;
  readonly runAs?: (uid: number, gid: number) => void;
  readonly startThreads?: StartThreads | undefined;
}

/**
 * Runs the exporter from its parsed arguments on (docs/compatibility.md#order-of-operations). Reads credentials and
 * opens the daemon's socket before the process switches to the user of the build, and reads the build's output after
 * (docs/compatibility.md#users-and-permissions).
 * @throws Fault with an exit code; the signal's reason
 */
export async function runExporter(
  command: ParsedCommand,
  context: ExporterContext,
  signal: AbortSignal,
): Promise<void> {
  const { onEvent, logger } = context;
  const inputs = await reportingFailures(undefined, onEvent, () => resolveSettings(command, context, logger));
  await reportingFailures(inputs.settings, onEvent, (observe) =>
    exportResolved(inputs, { ...context, onEvent: observe }, signal),
  );
}

/**
 * As {@link runExporter}, for the library: invalid arguments are an event, too.
 * @param context with the flaw of the caller's environment, if it has one
 */
export async function runExporterWith(
  options: ExportOptions,
  context: ExporterContext & { readonly flaw: Fault | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { env, onEvent, flaw } = context;
  const parse = async () => {
    if (flaw !== undefined) throw flaw;
    return parseOptions(options, env, readMachine(temporaryDirectory(env)));
  };
  await runExporter(await reportingFailures(undefined, onEvent, parse), context, signal);
}

/**
 * Checks the library's second argument, which may come from a caller without types.
 * @returns undefined if it is valid
 */
export function environmentFault(given: unknown): Fault | undefined {
  if (!isObject(given)) return usageFault("the environment must be an object");
  if (given.env !== undefined && !isObject(given.env)) return usageFault("the environment's env must be an object");
  const unknown = Object.keys(given).find((name) => !ENVIRONMENT_MEMBERS.includes(name));
  if (unknown !== undefined) return usageFault(`unknown member ${unknown} of the environment`);
  for (const name of ["cwd", "home"]) {
    const path = given[name];
    // A relative path would depend on the working directory of the process.
    if (path !== undefined && !(typeof path === "string" && posix.isAbsolute(path)))
      return usageFault(`the environment's ${name} must be an absolute path`);
  }
  if (given.logger !== undefined && !isLogger(given.logger))
    return usageFault("the environment's logger must have the methods debug, info, warn and error");
  if (given.signal !== undefined && !(given.signal instanceof AbortSignal))
    return usageFault("the environment's signal must be an AbortSignal");
  return undefined;
}

const ENVIRONMENT_MEMBERS = ["env", "cwd", "home", "logger", "signal"];

function isLogger(value: unknown): boolean {
  if (!isObject(value) && typeof value !== "function") return false;
  return ["debug", "info", "warn", "error"].every((name) => typeof Reflect.get(value, name) === "function");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

async function exportResolved(
  inputs: ResolvedInputs,
  { program, env, cwd, home, logger, output, onEvent, runAs, startThreads }: ExporterContext,
  signal: AbortSignal,
): Promise<void> {
  const { runImage, daemon, uid, gid, cacheDir, launchCacheDir } = inputs.settings;
  logger.debug("Ensuring privileges...");
  const others = [runImage, inputs.analyzed.previousImage];
  const keychain = await readKeychain(inputs.settings, others, { env, home, logger }, signal);
  await using docker = daemon ? await DockerClient.connect(env) : undefined;
  if (runAs !== undefined) {
    ensureOwner(uid, gid, [cacheDir, launchCacheDir]);
    runAs(uid, gid);
  }
  signal.throwIfAborted();
  logger.debug("Executing command...");
  const launcherRelease = readLauncherRelease(program, env, cwd, signal);
  const parts = { logger, output, environment: env, keychain, docker, launcherRelease, onEvent, startThreads };
  await exportBuild(inputs, parts, signal);
}
