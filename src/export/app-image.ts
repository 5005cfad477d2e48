import type { GroupElement } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import type { RunImageNames } from "../cnb/metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import type { ProjectMetadata } from "../cnb/project-metadata-label.ts";
import { Fault, failTo, withContext } from "../faults/fault.ts";
import { appContainerConfig, buildAppImage, type ImageLayer } from "../images/app-image.ts";
import type { BuiltImage } from "../images/built-image.ts";
import { createdTime } from "../images/created.ts";
import { runImageTopLayer } from "../images/run-image-top-layer.ts";
import type { ContainerConfig } from "../oci/image-config.ts";
import { recordLifecycle } from "../plan/lifecycle-record.ts";
import type { ExportReport } from "../report/report-toml.ts";
import { startTimer } from "../report/timer.ts";
import type { AppLayer, AppLayers } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import { describeLayer } from "./layer-content.ts";
import type { OpeningImages, RunImage } from "./open-images.ts";
import type { Preparation } from "./preparation.ts";
import { placeBaseLayers, pushApp, type SavedName } from "./push-app.ts";
import { LAUNCHER_RELEASE } from "./release.ts";

/** What the app image is made from. */
export interface AppParts {
  readonly preparation: Preparation;
  readonly project: ProjectMetadata;
  readonly group: readonly GroupElement[];
  readonly images: OpeningImages;
  readonly runImageNames: RunImageNames;
  readonly app: AppLayers;
}

/** What the report says of the saved image. */
export interface SavedApp {
  readonly report: ExportReport;
  /** Set when a name could not be saved. */
  readonly failure: Fault | undefined;
}

/**
 * Assembles the app image from its layers and saves it (contract 5, 8.1, 8.2).
 * @throws Fault `failed to export: ...` with exit code 62; the signal's reason
 */
export async function saveAppImage(context: ExportContext, parts: AppParts, signal: AbortSignal): Promise<SavedApp> {
  try {
    const base = parts.images.runImage.then((runImage) => placeBaseLayers(runImage, context.app.repository, signal));
    base.catch(() => undefined);
    const layers = await parts.app.walk(context.logger);
    const runImage = await parts.images.runImage;
    const config = appConfig(context, parts, runImage, layers);
    const bom = await context.documents.buildBom(parts.group);
    const { image, names } = await save(context, runImage, layers, config, base, signal);
    const { digest, size } = image.manifestDescriptor;
    const tags = names.filter(({ cause }) => cause === undefined).map(({ name }) => name);
    const report = { tags, imageId: undefined, digest, manifestSize: size, bom };
    return { report, failure: failureOf(names) };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("export", error, EXIT_CODES.exportFailed);
  }
}

function appConfig(
  context: ExportContext,
  { preparation, project, runImageNames }: AppParts,
  runImage: RunImage,
  layers: readonly AppLayer[],
): ContainerConfig {
  const { settings, logger } = context;
  const diffIds = new Map(layers.map(({ step, diffId }) => [step, diffId]));
  const named = gates(settings.platformApi).hasRunImageNames ? runImageNames : { image: "", mirrors: [] };
  const lifecycle = recordLifecycle(preparation.plan.steps, (step) => diffIds.get(step) ?? "", {
    runImage: { topLayer: runImageTopLayer(runImage.config), reference: runImage.reference, ...named },
    stack: runImageNames,
  });
  const inputs = { ...settings, lifecycle, build: preparation.build, project, launcher: LAUNCHER_RELEASE };
  return appContainerConfig(runImage.config.config, runImage.config.os, inputs, logger);
}

/** Builds and pushes, with the lines about the saved names (contract 8.2). */
async function save(
  context: ExportContext,
  runImage: RunImage,
  layers: readonly AppLayer[],
  config: ContainerConfig,
  base: Promise<unknown>,
  signal: AbortSignal,
): Promise<{ readonly image: BuiltImage; readonly names: readonly SavedName[] }> {
  const { settings, logger } = context;
  const endTimer = startTimer(`Saving ${settings.outputImage}...`, logger);
  try {
    logger.info(`Saving ${settings.outputImage}...`);
    const image = await build(context, runImage, layers, config);
    const names = await pushApp(context, { image, runImage, layers, base }, signal);
    logSaved(context, image, names);
    return { image, names };
  } catch (error) {
    signal.throwIfAborted();
    throw withContext("saving image", error);
  } finally {
    endTimer();
  }
}

async function build(
  { settings }: ExportContext,
  runImage: RunImage,
  layers: readonly AppLayer[],
  config: ContainerConfig,
): Promise<BuiltImage> {
  const described = layers.map(async ({ diffId, step, content, placed }): Promise<ImageLayer> => {
    return { diffId, createdBy: step.createdBy, descriptor: await describeLayer(content, placed) };
  });
  const marks = {
    created: createdTime(settings.sourceDateEpoch),
    keepsHistory: gates(settings.platformApi).keepsHistory,
  };
  return buildAppImage(runImage, await Promise.all(described), config, marks);
}

function logSaved({ logger }: ExportContext, { manifestDescriptor }: BuiltImage, names: readonly SavedName[]): void {
  const { digest, size } = manifestDescriptor;
  logger.info(`*** Images (${digest}):`);
  for (const { name, cause } of names) logger.info(`      ${name}${cause === undefined ? "" : ` - ${cause}`}`);
  logger.debug(`\n*** Digest: ${digest}`);
  logger.debug(`\n*** Manifest Size: ${size}`);
}

function failureOf(names: readonly SavedName[]): Fault | undefined {
  const failed = names.filter(({ cause }) => cause !== undefined);
  if (failed.length === 0) return undefined;
  const list = failed.map(({ name, cause }) => `[${name}: ${cause}]`).join(",");
  const fault = new Fault("EXPORT_REGISTRY_TAGS", `failed to write image to the following tags: ${list}`);
  return failTo("export", fault, EXIT_CODES.exportFailed);
}
