import type { Compression } from "../../workers/protocol.ts";
import { engineParts } from "../assets.ts";
import type { Keychain } from "../auth/keychain.ts";
import type { LauncherRelease } from "../cnb/build-metadata.ts";
import { type Clock, SYSTEM_CLOCK } from "../concurrency/clock.ts";
import { Registries } from "../destinations/registry/registries.ts";
import type { DockerClient } from "../docker/client.ts";
import { loadCompression } from "../engine/compression.ts";
import { LayerStore } from "../engine/layer-store.ts";
import { WorkerPool } from "../engine/pool.ts";
import { PATIENCE, type Patience } from "../http/http.ts";
import type { Logger } from "../logger.ts";
import type { EventSink } from "../observe/events.ts";
import { watchExport } from "../observe/watch.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";
import type { CommandOutput } from "../report/output.ts";
import { connectionsFor, fitCapacity, readSupplies } from "./capacity.ts";
import { chooseDestination } from "./destination.ts";
import { conductExport } from "./export.ts";

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
  const { workers, mostWorkers, uploadConcurrency, spools } = fitCapacity(tuning, readSupplies(), isUnguarded);
  if (workers < tuning.workers)
    logger.warn(`Using ${workers} of ${tuning.workers} workers, as the limits of this process allow`);
  const watch = await watchExport(
    inputs.settings,
    { workers, mostWorkers },
    { logger, output, environment, onEvent },
    signal,
  );
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
