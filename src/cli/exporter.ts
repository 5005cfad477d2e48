import { readLauncherRelease } from "../build-output/launcher-release.ts";
import { DockerClient } from "../docker/client.ts";
import { readKeychain } from "../export/keychain.ts";
import { exportBuild, type StartThreads } from "../export/setup.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import { tellingFailures } from "../observe/watch.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";
import type { CommandOutput } from "../report/output.ts";
import type { ParsedCommand } from "./parse.ts";
import { ensureOwner } from "./privileges.ts";
import { resolveSettings } from "./settings.ts";

/** The process that the exporter runs in: the command's own, or another program that exports. */
interface ExporterProcess {
  /** Path by which the command was started; absent in another program. */
  readonly program?: string;
  readonly env: Environment;
  /** Working directory, absolute; "" if it was deleted. */
  readonly cwd: string;
  readonly home: string;
  readonly logger: Logger;
  /** Where the log is printed, for progress on a terminal. */
  readonly output?: CommandOutput;
  readonly onEvent?: EventSink;
  /** Makes the process run as a user and a group; absent in another program, which keeps its user. @throws Fault */
  readonly runAs?: (uid: number, gid: number) => void;
  readonly startThreads?: StartThreads | undefined;
}

/**
 * Runs the exporter from its parsed arguments on (docs/compatibility.md#order-of-operations). Credentials are read and the
 * daemon's socket is opened before the process becomes the user of the build, and the build's output is read after
 * (docs/compatibility.md#users-and-permissions).
 * @throws Fault with an exit code; the signal's reason
 */
export async function runExporter(
  command: ParsedCommand,
  process: ExporterProcess,
  signal: AbortSignal,
): Promise<void> {
  const inputs = await resolveSettings(command, process, process.logger);
  await tellingFailures(inputs.settings, process.onEvent, () => exportResolved(inputs, process, signal));
}

async function exportResolved(
  inputs: ResolvedInputs,
  { program, env, cwd, home, logger, output, onEvent, runAs, startThreads }: ExporterProcess,
  signal: AbortSignal,
): Promise<void> {
  const { runImage, daemon, uid, gid, cacheDir, launchCacheDir } = inputs.settings;
  logger.debug("Ensuring privileges...");
  const others = [runImage, inputs.analyzed.previousImage];
  const keychain = await readKeychain(inputs.settings, others, { env, home, logger }, signal);
  const docker = daemon ? await DockerClient.connect(env) : undefined;
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
