import type { Compression } from "../../workers/protocol.ts";
import { engineAssets } from "../assets.ts";
import type { Keychain } from "../auth/keychain.ts";
import { exportDocuments } from "../build-output/documents.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { type Clock, SYSTEM_CLOCK } from "../concurrency/clock.ts";
import { DaemonApp } from "../destinations/daemon/app-image.ts";
import { DaemonConnection } from "../destinations/daemon/connection.ts";
import type { AppDestination } from "../destinations/destination.ts";
import { LayoutApp } from "../destinations/layout/app-image.ts";
import { RegistryApp } from "../destinations/registry/app-image.ts";
import type { RetryObserver } from "../destinations/registry/connection.ts";
import { Registries } from "../destinations/registry/registries.ts";
import type { DockerClient } from "../docker/client.ts";
import { loadCompression } from "../engine/compression.ts";
import type { EarlyLayers } from "../engine/early-builder.ts";
import { LayerStore } from "../engine/layer-store.ts";
import { WorkerPool } from "../engine/pool.ts";
import { requireSpoolDirectory } from "../engine/spool-files.ts";
import { failTo } from "../errors/fault.ts";
import { toByteString } from "../go/byte-string.ts";
import { DEFAULT_TIMEOUTS, type Timeouts } from "../http/http.ts";
import { UploadThreads } from "../http/upload-threads.ts";
import type { Logger } from "../logger.ts";
import { requireEvents } from "../observe/event-writer.ts";
import type { Monitor } from "../observe/monitor.ts";
import { type ObserverOptions, watchExport } from "../observe/watch.ts";
import { cacheKind, destinationKind, type ExportSettings, type ResolvedInputs } from "../plan/inputs.ts";
import { type Capacity, connectionsFor, fitCapacity } from "./capacity.ts";
import type { ExportContext } from "./context.ts";
import { exportAppAndCache } from "./export.ts";

/**
 * The work done for the export while the build ran; its owner closes it. `registries` is undefined if nothing was to be
 * uploaded. After `handOver` the export logs, and observes retries.
 */
export interface EarlyWork {
  readonly layers: EarlyLayers;
  readonly registries: Registries | undefined;
  /** @returns undefined if the export is to start its own */
  startThreads(): StartedThreads | undefined;
  handOver(logger: Logger, onRetry: RetryObserver): void;
}

export interface StartedThreads {
  readonly pool: WorkerPool;
  readonly capacity: Capacity;
}

export type StartThreads = (workers: number, compression: Compression) => WorkerPool;

export interface ExportDependencies extends ObserverOptions {
  readonly keychain: Keychain;
  readonly docker: DockerClient | undefined;
  readonly timeouts?: Partial<Timeouts>;
  readonly clock?: Clock;
  readonly startThreads?: StartThreads | undefined;
  readonly early?: EarlyWork | undefined;
}

/** Opens threads, connections, observers and the destination, runs the export, and closes them in reverse order. */
export async function exportBuild(
  inputs: ResolvedInputs,
  dependencies: ExportDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { settings } = inputs;
  const { pool, capacity } = openThreads(settings.tuning, dependencies);
  const { workers, maxWorkers } = capacity;
  const observers = await watchExport(settings, { workers, maxWorkers }, dependencies, signal);
  const opened = new AsyncDisposableStack();
  opened.defer(() => observers.close());
  let failure: unknown;
  try {
    const context = openContext(inputs, dependencies, { pool, capacity, monitor: observers.monitor }, opened);
    await untilAborted(startThreadsFor(settings, pool), signal);
    await exportAppAndCache(context, signal);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    observers.end(failure);
    await opened.disposeAsync();
  }
}

function openThreads(
  tuning: ExportSettings["tuning"],
  { early, logger, startThreads }: ExportDependencies,
): StartedThreads {
  const started = early?.startThreads();
  const capacity = started?.capacity ?? fitCapacity(tuning);
  const { workers } = capacity;
  if (workers < tuning.workers)
    logger.warn(`Using ${workers} of ${tuning.workers} workers, as the limits of this process allow`);
  return started ?? { pool: openPool(tuning, workers, startThreads), capacity };
}

/** @param opened collects the resources that the export closes */
function openContext(
  inputs: ResolvedInputs,
  dependencies: ExportDependencies,
  { pool, capacity, monitor }: StartedThreads & { readonly monitor: Monitor },
  opened: AsyncDisposableStack,
): ExportContext {
  const { settings } = inputs;
  const { logger, launcherRelease, early } = dependencies;
  const onRetry = (error: unknown, waitMs: number) => monitor.retried(error, waitMs);
  if (early !== undefined) {
    early.handOver(logger, onRetry);
    monitor.wastedBytes = () => early.layers.wastedBytes;
  }
  const registries = early?.registries ?? connectRegistries(settings, capacity, { ...dependencies, onRetry });
  monitor.queues.set("uploads", () => registries.waitingUploads);
  const app = opened.adopt(openDestination(inputs, registries, dependencies, monitor), (destination) =>
    destination.close(),
  );
  const { blobFiles } = app;
  const isAppAhead = () => registries.isAppAhead;
  const options = { maxSpools: capacity.spools, blobFiles, monitor, isAppAhead, early: early?.layers };
  const store = opened.adopt(new LayerStore(pool, settings.tuning.spoolDir, options), (layers) => layers.close());
  // Added last, so closed first: until then, threads and connections may use files of the others.
  opened.defer(async () => {
    await Promise.all([pool.close(), early?.registries === undefined ? registries.close() : undefined]);
  });
  return { ...inputs, documents: exportDocuments(inputs), registries, app, store, launcherRelease, logger, monitor };
}

function startThreadsFor(settings: ExportSettings, pool: WorkerPool): Promise<void> {
  const { layersDir, appDir, launcherPath, layoutDir, tuning } = settings;
  const others = [launcherPath, tuning.spoolDir, layoutDir];
  return pool.startFor([layersDir, appDir].map(toByteString), others.map(toByteString));
}

/**
 * Checks that the current user can write where {@link exportBuild} will: to the events, and to the spool if blobs wait
 * there. The lifecycle's exporter always needs a temporary directory.
 * @throws Fault that the export would throw after the build
 */
export function requireOutputs(settings: ExportSettings): void {
  requireEvents(settings.tuning.events);
  if (destinationKind(settings) !== "registry" && cacheKind(settings) !== "image") return;
  try {
    requireSpoolDirectory(settings.tuning.spoolDir);
  } catch (error) {
    throw failTo("export", error, EXIT_CODES.exportFailed);
  }
}

export function openPool(
  { compression: kind, compressionLevel }: ExportSettings["tuning"],
  workers: number,
  startThreads?: StartThreads,
): WorkerPool {
  const { entries, deflate } = engineAssets();
  const compression = loadCompression(kind, compressionLevel, ...deflate);
  return startThreads?.(workers, compression) ?? new WorkerPool(entries, workers, compression);
}

type RegistryDependencies = Pick<ExportDependencies, "keychain" | "environment" | "logger" | "timeouts" | "clock">;

export function connectRegistries(
  { tuning, insecureRegistries }: ExportSettings,
  { uploadConcurrency, uploadThreads: threads }: Pick<Capacity, "uploadConcurrency" | "uploadThreads">,
  dependencies: RegistryDependencies & { readonly onRetry: RetryObserver },
): Registries {
  const { keychain, environment, logger, onRetry, clock = SYSTEM_CLOCK } = dependencies;
  const timeouts = { ...DEFAULT_TIMEOUTS, budgetMs: tuning.retryBudgetMs, ...dependencies.timeouts };
  const connections = connectionsFor(uploadConcurrency);
  const { uploader } = engineAssets().entries;
  const uploadThreads = threads > 0 ? new UploadThreads(uploader, threads, environment, uploadConcurrency) : undefined;
  const options = { keychain, insecureRegistries, uploadConcurrency, connections, uploadThreads, environment, logger };
  return new Registries({ ...options, timeouts, clock, onRetry });
}

function openDestination(
  inputs: ResolvedInputs,
  registries: Registries,
  { docker, logger }: ExportDependencies,
  monitor: Monitor,
): AppDestination {
  if (inputs.settings.layout) return new LayoutApp(inputs, monitor);
  if (docker !== undefined) return new DaemonApp(inputs, new DaemonConnection(docker), logger, monitor);
  return new RegistryApp(inputs, registries, monitor);
}
