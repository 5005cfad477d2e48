import { readLauncherRelease } from "../build-output/launcher-release.ts";
import { DockerClient } from "../docker/client.ts";
import { readKeychain } from "../export/keychain.ts";
import { exportBuild, type StartThreads } from "../export/setup.ts";
import type { ParsedCommand } from "../inputs/parse.ts";
import { type ProcessContext, resolveSettings } from "../inputs/settings.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import { reportingFailures } from "../observe/watch.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";
import { ensureOwner } from "../process/privileges.ts";
import type { CommandOutput } from "../report/output.ts";

export interface ExporterContext extends ProcessContext {
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
  const dependencies = { logger, output, environment: env, keychain, docker, launcherRelease, onEvent, startThreads };
  await exportBuild(inputs, dependencies, signal);
}
