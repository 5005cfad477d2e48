import { refuseTracingBuildpack } from "../build-output/group.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { awaitedLater, withTasks } from "../concurrency/task-scope.ts";
import { Fault, failTo } from "../errors/fault.ts";
import { fitTerminationMessage, writeReport } from "../report/report-toml.ts";
import { timed } from "../report/timer.ts";
import { type AppInputs, saveAppImage } from "./app-image.ts";
import { emitLayers } from "./app-layers.ts";
import { exportCache } from "./cache.ts";
import type { ExportContext } from "./context.ts";
import { type Noted, noted } from "./notes.ts";
import { openImages, type Preparation, prepareLayers, readFirstDocuments } from "./prepare.ts";

/**
 * Exports the app image and, if requested, the cache (docs/compatibility.md#order-of-operations). Images are opened,
 * documents read and layers built concurrently; results are awaited, and log lines printed, in the reference's order.
 * @throws Fault with an exit code if the app image is not exported; a failed cache is only a warning
 */
export async function exportAppAndCache(context: ExportContext, signal: AbortSignal): Promise<void> {
  const { logger, documents, settings } = context;
  const group = await documents.group();
  if (settings.tuning.telemetry) refuseTracingBuildpack(group);
  await withTasks(signal, async (tasks) => {
    // Open, read and build ahead; each reading only if the one before it succeeded.
    const images = openImages(context, tasks);
    const reading = tasks.fork(() => noted((notes) => readFirstDocuments(context, notes)));
    const naming = tasks.fork(async () => {
      (await reading).result();
      return await noted((notes) => documents.runImage(notes));
    });
    const preparing = tasks.fork(async () => {
      (await naming).result();
      return await noted((notes) => prepareLayers(context, group, images, tasks, notes));
    });

    // The reference's order.
    await images.cache.store;
    const first = (await reading).replay(logger);
    await images.all;
    const damage = await images.damage;
    if (damage !== undefined) logger.warn(damage);
    const runImageNames = (await naming).replay(logger);
    const prepared = await preparing;

    const app = tasks.fork(() =>
      exportApp(context, { ...first, group, images, runImageNames }, prepared, tasks.signal),
    );
    const saved = untilSaved(app);
    // The cache is cancelled first: it must not report layers that fail with the app image as its own failures.
    tasks.guard(saved.catch(() => app));
    if (!settings.parallel || isDoomed(prepared)) await app;
    await exportCache(context, prepared.result(), images.cache, saved, signal);
    await app;
  });
  // A stop during the cache's export ends the command like any other.
  signal.throwIfAborted();
  await emitLayers(context);
}

function isDoomed(prepared: Noted<Preparation>): boolean {
  return !prepared.isDone || prepared.result().plan.steps.some(({ kind }) => kind === "fault");
}

function untilSaved(app: Promise<void>): Promise<void> {
  return awaitedLater(
    app.catch((cause: unknown) => {
      throw new Fault("EXPORT_CANCELLED", "the export of the app image failed", { cause });
    }),
  );
}

/**
 * Exports the app image and writes report.toml at once, without waiting for the cache (docs/compatibility.md#report).
 * The report lists the saved names even if others failed (docs/compatibility.md#report-after-partial-failure); without
 * any saved name there is no report.
 */
async function exportApp(
  context: ExportContext,
  inputs: AppInputs,
  prepared: Noted<Preparation>,
  signal: AbortSignal,
): Promise<void> {
  const { settings, logger, store, registries, monitor } = context;
  const saved = await timed("Exporter", logger, async () =>
    saveAppImage(context, inputs, prepared.replay(logger), signal),
  );
  const { report, droppedMirrors } = fitTerminationMessage(saved.report);
  const { mirrors, ...runImage } = saved.runImage;
  if (droppedMirrors > 0)
    logger.warn(
      `Left the last ${droppedMirrors} of ${mirrors.length} run image mirrors out of report.toml, which must fit into a termination message`,
    );
  if (report.tags.length > 0)
    await writeReport(settings.reportPath, report, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw failTo("write export report", error, EXIT_CODES.exportFailed);
    });
  if (saved.failure !== undefined) throw saved.failure;
  monitor.emit({
    event: "app-image-ready",
    digest: saved.identifier,
    tags: [...report.tags],
    runImage: { ...runImage, mirrors: [...mirrors] },
  });
  prepared.result().layers.release();
  store.onAppReady();
  registries.onAppReady();
}
