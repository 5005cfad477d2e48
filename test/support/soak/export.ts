import { Keychain } from "../../../src/auth/keychain.ts";
import { readLauncherRelease } from "../../../src/build-output/launcher-release.ts";
import type { Clock } from "../../../src/concurrency/clock.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { exportBuild } from "../../../src/export/setup.ts";
import type { Timeouts } from "../../../src/http/http.ts";
import { parseCommandLine } from "../../../src/inputs/parse.ts";
import { resolveSettings } from "../../../src/inputs/settings.ts";
import type { Logger } from "../../../src/logger.ts";
import type { Compression } from "../../../workers/protocol.ts";
import { SharedThreads } from "../process/in-process.ts";

export interface ExportOptions {
  readonly logger: Logger;
  /** Contents of CNB_REGISTRY_AUTH. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly timeouts: Partial<Timeouts>;
  readonly clock: Clock;
  readonly tempDir: string;
}

export interface ExportEnd {
  readonly exitCode: number;
  readonly error: Fault | undefined;
}

/** Shared by all exports of a process; they end with it. */
const threads = new SharedThreads();
const startThreads = (workers: number, compression: Compression) => threads.start(workers, compression);

/** Runs an export like `bin/exporter`, in this process. @throws errors other than faults */
export async function exportOnce(args: readonly string[], options: ExportOptions): Promise<ExportEnd> {
  const { logger, credentials, timeouts, clock, tempDir } = options;
  const env = { CNB_PLATFORM_API: "0.13" };
  const command = parseCommandLine("exporter", args, env, { cores: 2, tempDir });
  if (command.kind !== "run") throw new Error(`the command line is a ${command.kind}`);
  const own = { program: "exporter", env, cwd: tempDir, home: tempDir, logger };
  try {
    const inputs = await resolveSettings(command, own, logger);
    const keychain = new Keychain(new Map(Object.entries(credentials)), new Map());
    const { signal } = new AbortController();
    const launcherRelease = readLauncherRelease(undefined, env, tempDir, signal);
    const parts = { logger, environment: env, keychain, docker: undefined, launcherRelease, startThreads };
    await exportBuild(inputs, { ...parts, timeouts, clock }, signal);
    return { exitCode: 0, error: undefined };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { exitCode: error.exitCode ?? 1, error };
  }
}
