import { exportDocuments } from "../build-output/documents.ts";
import { readExtendedConfig } from "../build-output/extended-image.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { guardDockerfiles } from "../cnb/experimental.ts";
import type { ProjectMetadata } from "../cnb/project-metadata.ts";
import { Fault, failTo, messageOf, warningOf } from "../errors/fault.ts";
import type { Logger } from "../logger.ts";
import type { ContainerConfig } from "../oci/image-config.ts";
import { writeReport } from "../report/report-toml.ts";
import { startTimer } from "../report/timer.ts";
import { type SavedApp, saveAppImage } from "./app-image.ts";
import { AppLayers, emitLayers } from "./app-layers.ts";
import { exportCache } from "./cache.ts";
import type { ExportContext, ExportRun } from "./context.ts";
import { HeldLogger } from "./held-logger.ts";
import { type OpeningImages, openImages } from "./open.ts";
import { type Preparation, prepare } from "./prepare.ts";

/** What is read between opening the cache and opening the run image. */
interface Documents {
  readonly project: ProjectMetadata;
  /** Takes the place of the run image's, where extensions have changed it. */
  readonly extendedConfig: ContainerConfig | undefined;
}

/** What an export begins with. */
interface Beginning extends Documents {
  readonly group: readonly GroupElement[];
  readonly images: OpeningImages;
}

/**
 * Exports the app image and, if there is one, the cache (docs/compatibility.md#order-of-operations,
 * docs/compatibility.md#parallel-export).
 *
 * The cache and the base images are opened while the first layers are already being built. Log lines that the reference
 * writes after opening them are held back until then, so that a failure to open one reads the same.
 * @throws Fault with an exit code if the app image is not exported; a failed cache is only a warning
 */
export async function conductExport(run: ExportRun, signal: AbortSignal): Promise<void> {
  const { logger } = run;
  const group = await exportDocuments(run, logger).group();
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const afterCache = new HeldLogger(logger);
  const held = new HeldLogger(afterCache);
  const context: ExportContext = { ...run, logger: held, documents: exportDocuments(run, held) };
  const images = openImages(context, stop);
  const beginning = begin(run, afterCache);
  const work = beginning.then((documents) => exportBoth(context, { ...documents, group, images }, stop));
  work.catch(() => undefined);
  try {
    await images.cache.store;
    afterCache.release();
    await beginning;
    await images.all;
    held.release();
    await work;
  } catch (error) {
    failure.abort(error);
    await work.catch(() => undefined);
    throw error;
  } finally {
    await images.cache.store.then(
      (cache) => (cache instanceof Fault ? undefined : cache?.close()),
      () => undefined,
    );
  }
  await emitLayers(run);
}

/** What comes between opening the cache and opening the run image. */
async function begin(run: ExportRun, logger: Logger): Promise<Documents> {
  await guardDockerfiles(run.settings, logger);
  const project = await exportDocuments(run, logger).projectMetadata();
  const extendedConfig = await readExtendedConfig(run, logger);
  run.app.announce(logger);
  return { project, extendedConfig };
}

/**
 * Exports the app image, then the cache or, with `-parallel`, both side by side
 * (docs/compatibility.md#parallel-export). If the app image fails, all work for either is cancelled.
 */
async function exportBoth(context: ExportContext, beginning: Beginning, signal: AbortSignal): Promise<void> {
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const appSaved = Promise.withResolvers<void>();
  appSaved.promise.catch(() => undefined);
  const startCache = (layers: PreparedLayers) =>
    exportCacheOf(context, { ...layers, images: beginning.images, appSaved: appSaved.promise }, stop);
  let cache: Promise<void> | undefined;
  try {
    // A name that may not be pushed ends the app image's export as its push would, but early.
    const appStop = AbortSignal.any([stop, beginning.images.refused]);
    const layers = await exportApp(context, beginning, appStop, (prepared) => {
      if (context.settings.parallel) cache = startCache(prepared);
    });
    appSaved.resolve();
    cache ??= startCache(layers);
  } catch (error) {
    const reason = new Fault("EXPORT_CANCELLED", "the app image was not exported", { cause: error });
    failure.abort(reason);
    appSaved.reject(reason);
    throw error;
  } finally {
    await cache;
  }
  // Whoever stopped the command during the cache's export wants to see that it was stopped.
  signal.throwIfAborted();
}

interface PreparedLayers {
  readonly preparation: Preparation;
  readonly app: AppLayers;
}

/**
 * Exports the app image and writes report.toml at once, however long the cache takes (docs/compatibility.md#report).
 * The report lists the saved names even if others failed (docs/compatibility.md#report-after-partial-failure); without
 * any saved name there is no report.
 * @param onPrepared called when the app's layers are in progress
 */
async function exportApp(
  context: ExportContext,
  beginning: Beginning,
  signal: AbortSignal,
  onPrepared: (layers: PreparedLayers) => void,
): Promise<PreparedLayers> {
  const { layers, saved } = await makeApp(context, beginning, signal, onPrepared);
  const { tags } = saved.report;
  if (tags.length > 0)
    await writeReport(context.settings.reportPath, saved.report, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw failTo("write export report", error, EXIT_CODES.exportFailed);
    });
  if (saved.failure !== undefined) throw saved.failure;
  context.monitor.emit({ event: "app-image-ready", digest: saved.identifier, tags: [...tags] });
  layers.app.release();
  context.store.appIsReady();
  context.registries.appIsReady();
  return layers;
}

/** What the reference's timer `Exporter` measures. */
async function makeApp(
  context: ExportContext,
  beginning: Beginning,
  signal: AbortSignal,
  onPrepared: (layers: PreparedLayers) => void,
): Promise<{ readonly layers: PreparedLayers; readonly saved: SavedApp }> {
  const { group, images } = beginning;
  const runImageNames = await context.documents.runImage();
  const endTimer = startTimer("Exporter", context.logger);
  try {
    const preparation = await prepare(context, group, images).catch((error: unknown) => {
      throw failTo("export", error, EXIT_CODES.exportFailed);
    });
    const app = new AppLayers(context, preparation.plan, images, signal);
    // An app image that is bound to fail has no cache.
    if (!preparation.plan.steps.some(({ kind }) => kind === "fault")) onPrepared({ preparation, app });
    const saved = await saveAppImage(context, { ...beginning, preparation, runImageNames, app }, signal);
    return { layers: { preparation, app }, saved };
  } finally {
    endTimer();
  }
}

interface CacheBeginning extends PreparedLayers {
  readonly images: OpeningImages;
  readonly appSaved: Promise<void>;
}

/**
 * Exports the cache, if there is one. Its failure is a warning (docs/compatibility.md#cache-selection) and cancels all
 * work for it.
 */
async function exportCacheOf(
  context: ExportContext,
  { images, ...parts }: CacheBeginning,
  signal: AbortSignal,
): Promise<void> {
  const failure = new AbortController();
  try {
    const cache = await images.cache.store;
    if (cache === undefined) return;
    if (cache instanceof Fault) throw cache;
    const stop = AbortSignal.any([signal, failure.signal]);
    cache.access.catch((error: unknown) => failure.abort(error));
    const digest = await exportCache(context, { ...parts, cache }, stop);
    context.monitor.emit({ event: "cache-ready", reference: cache.name, ...(digest && { digest }) });
  } catch (error) {
    failure.abort(error);
    context.logger.warn(`Failed to export cache: ${warningOf(error)}`);
    context.monitor.emit({ event: "cache-failed", reason: messageOf(error) });
  }
}
