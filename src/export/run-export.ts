import type { LauncherRelease } from "../cnb/build-metadata.ts";
import { Registries } from "../destinations/registry/registries.ts";
import { conductExport } from "../export.ts";
import { type Clock, SYSTEM_CLOCK } from "../flow/clock.ts";
import type { EventSink } from "../flow/events.ts";
import type { Logger } from "../flow/logger.ts";
import type { Environment } from "../inputs/environment.ts";
import type { ResolvedInputs } from "../inputs/resolve-settings.ts";
import { type Compression, loadCompression } from "../layers/block-encoder.ts";
import { LayerStore } from "../layers/layer-store.ts";
import { WorkerPool } from "../layers/worker-pool.ts";
import type { CommandOutput } from "../report/command-output.ts";
import type { DockerClient } from "../transport/docker-client.ts";
import type { Keychain } from "../transport/keychain.ts";
import { PATIENCE, type Patience } from "../transport/patience.ts";
import { connectionsFor, fitCapacity, readSupplies } from "./capacity.ts";
import { chooseDestination } from "./choose-destination.ts";
import { engineParts } from "./engine-parts.ts";
import { watchExport } from "./watch-export.ts";

/** Starts an export's threads, which it closes in the end. A process of many exports may lend the same ones again. */
export type StartThreads = (workers: number, compression: Compression) => WorkerPool;

/** What an export needs of the process that it runs in. */
export interface ProcessParts {
  readonly logger: Logger;
  /** What the log is printed on, for progress on a terminal; a program that exports shows progress itself. */
  readonly output?: CommandOutput | undefined;
  readonly environment: Environment;
  readonly keychain: Keychain;
  /** For `-daemon`: opened while the process might. */
  readonly docker: DockerClient | undefined;
  /** Gets every event, whether they are written too or not. */
  readonly onEvent?: EventSink | undefined;
  /** Other waits than the usual ones. */
  readonly patience?: Partial<Patience>;
  readonly clock?: Clock;
  readonly startThreads?: StartThreads | undefined;
  /** For the build metadata label; never rejects. */
  readonly launcherRelease: Promise<LauncherRelease>;
}

/**
 * Sets up threads and connections, exports, and takes them down again.
 * @throws Fault with an exit code; the signal's reason
 */
export async function runExport(inputs: ResolvedInputs, parts: ProcessParts, signal: AbortSignal): Promise<void> {
  const { logger, output, environment, keychain, docker, launcherRelease, onEvent } = parts;
  const { patience: own, clock = SYSTEM_CLOCK, startThreads } = parts;
  const { tuning, insecureRegistries } = inputs.settings;
  const isUnguarded = process.execArgv.includes("--disable-wasm-trap-handler");
  const { workers, uploadConcurrency, spools } = fitCapacity(tuning, readSupplies(), isUnguarded);
  if (workers < tuning.workers)
    logger.warn(`Using ${workers} of ${tuning.workers} workers, as the limits of this process allow`);
  const watch = await watchExport(inputs.settings, { logger, output, environment, onEvent }, signal);
  const { monitor } = watch;
  const { entries, deflate } = engineParts();
  const compression = loadCompression(tuning.compression, tuning.compressionLevel, ...deflate);
  const pool = startThreads?.(workers, compression) ?? new WorkerPool(entries, workers, compression);
  const patience = { ...PATIENCE, budgetMs: tuning.retryBudgetMs, ...own };
  const connections = connectionsFor(uploadConcurrency);
  const ways = { keychain, insecureRegistries, uploadConcurrency, connections, environment, logger };
  const registries = new Registries({ ...ways, patience, clock });
  const { app, appRepository, blobFiles, close } = chooseDestination(inputs, { registries, docker, logger, monitor });
  monitor.queues.set("uploads", () => registries.waitingUploads);
  let failure: unknown;
  try {
    await conductExport(
      {
        ...inputs,
        registries,
        app,
        appRepository,
        store: new LayerStore(pool, workers, tuning.spoolDir, {
          mostSpools: spools,
          blobFiles,
          monitor,
          isAppAhead: () => registries.isAppAhead,
        }),
        launcherRelease,
        logger,
        monitor,
      },
      signal,
    );
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    watch.end(failure);
    await Promise.all([pool.close(), registries.close()]);
    await close();
    await watch.close();
  }
}
