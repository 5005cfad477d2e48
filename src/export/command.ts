import { readLauncherRelease } from "../build-output/launcher-release.ts";
import type { ParsedCommand } from "../cli/parse.ts";
import { resolveSettings } from "../cli/settings.ts";
import { DockerClient } from "../docker/client.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";
import type { CommandOutput } from "../report/output.ts";
import { readKeychain } from "./keychain.ts";
import { runExport, type StartThreads } from "./run.ts";

/** The surroundings of an export. */
export interface CommandSurroundings {
  /** Path by which the command was started; absent for an export from another program. */
  readonly program?: string;
  readonly env: Environment;
  /** Working directory, absolute. */
  readonly cwd: string;
  /** Where docker's configuration is, unless the environment says otherwise. */
  readonly home: string;
  readonly logger: Logger;
  /** What the log is printed on, for progress on a terminal. */
  readonly output?: CommandOutput;
  /** Gets every event. */
  readonly onEvent?: EventSink;
  /**
   * Called after credentials are read and the daemon's socket is open, before any file of the build is read
   * (docs/compatibility.md#users-and-permissions).
   */
  readonly dropPrivileges?: (settings: ExportSettings) => void;
  readonly startThreads?: StartThreads | undefined;
}

/**
 * Runs the exporter from its parsed arguments on (docs/compatibility.md#order-of-operations).
 * @throws Fault with an exit code; the signal's reason
 */
export async function runCommand(
  command: ParsedCommand,
  { program, env, cwd, home, logger, output, onEvent, dropPrivileges, startThreads }: CommandSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const inputs = await resolveSettings(command, { env, cwd }, logger);
  logger.debug("Ensuring privileges...");
  const { runImage } = inputs.settings;
  const others = [runImage, inputs.analyzed.previousImage];
  const keychain = await readKeychain(inputs.settings, others, { env, home, logger }, signal);
  const docker = inputs.settings.daemon ? await DockerClient.connect(env) : undefined;
  dropPrivileges?.(inputs.settings);
  signal.throwIfAborted();
  logger.debug("Executing command...");
  const launcherRelease = readLauncherRelease(program, env, cwd, signal);
  const parts = { logger, output, environment: env, keychain, docker, launcherRelease, onEvent, startThreads };
  await runExport(inputs, parts, signal);
}
