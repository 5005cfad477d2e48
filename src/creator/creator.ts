import { readLauncherRelease } from "../build-output/launcher-release.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { DockerClient } from "../docker/client.ts";
import { Fault } from "../errors/fault.ts";
import { readKeychain } from "../export/keychain.ts";
import type { ParsedCommand } from "../inputs/parse.ts";
import type { ProcessContext } from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import { reportingFailures } from "../observe/watch.ts";
import type { Environment } from "../process/environment.ts";
import { ensureOwner, runAs } from "../process/privileges.ts";
import type { CommandOutput } from "../report/output.ts";
import { createImage } from "./create.ts";
import { findLifecycle } from "./lifecycle.ts";
import { type CreateInputs, resolveCreate } from "./settings.ts";
import { lookUpUser, type User } from "./user.ts";

export interface CreatorContext extends ProcessContext {
  readonly program: string;
  readonly home: string;
  readonly logger: Logger & { phase(name: string): void };
  readonly output: CommandOutput;
}

export async function runCreator(
  command: ParsedCommand,
  context: CreatorContext,
  signal: AbortSignal,
): Promise<number> {
  const inputs = await resolveCreate(command, context, context.logger);
  return reportingFailures(inputs.settings, undefined, (onEvent) => create(inputs, context, onEvent, signal));
}

async function create(
  inputs: CreateInputs,
  context: CreatorContext,
  onEvent: EventSink,
  signal: AbortSignal,
): Promise<number> {
  const { env, logger, output } = context;
  const { settings, runImages } = inputs;
  const lifecycle = findLifecycle(context.program, env, context.cwd);
  logger.debug("Ensuring privileges...");
  const keychain = await readKeychain(settings, runImages, context, signal);
  await using docker = settings.daemon ? await DockerClient.connect(env) : undefined;
  // A daemon keeps a connection open during the build only after a request on it.
  await docker?.version(signal);
  const user = takeUser(inputs, env);
  signal.throwIfAborted();
  logger.debug("Executing command...");
  const launcherRelease = readLauncherRelease(context.program, env, context.cwd, signal);
  const secured = { lifecycle, user, environment: env, logger, output, keychain, docker, launcherRelease, onEvent };
  return await createImage(inputs, secured, signal);
}

/**
 * Chowns caches and layers to the user of the build, and checks that the process can switch to that user
 * (docs/compatibility.md#users-and-permissions). Root stays root for now: phases that need its privileges drop them
 * themselves.
 */
function takeUser({ settings, build }: CreateInputs, env: Environment): User {
  const { uid, gid, cacheDir, launchCacheDir } = settings;
  ensureOwner(uid, gid, [cacheDir, launchCacheDir, build.layersDir]);
  if (process.getuid?.() !== 0) runAs(uid, gid);
  if (uid === 0)
    throw new Fault("EXPORT_PRIVILEGES_ROOT", "failed to detect: refusing to run as root", {
      exitCode: EXIT_CODES.failed,
    });
  return lookUpUser(uid, gid, env);
}
