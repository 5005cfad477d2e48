import { gates } from "../cnb/api.ts";
import type { GroupElement, LauncherRelease } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { NO_NAMES, type RunImageNames, type RunImageRecord } from "../cnb/lifecycle-metadata.ts";
import { namesFault, type RunImage, type SavedImage, type UnsavedImage } from "../destinations/destination.ts";
import { type Fault, failTo, withContext } from "../errors/fault.ts";
import { appConfigBytes, appContainerConfig, buildAppImage, runImageTopLayer } from "../images/app-image.ts";
import { createdTime } from "../images/image.ts";
import { checkImage, type OwnLayer } from "../images/integrity.ts";
import type { Logger } from "../logger.ts";
import { withoutAlgorithm } from "../oci/digest.ts";
import type { ContainerConfig } from "../oci/image-config.ts";
import { recordLifecycle } from "../plan/records.ts";
import type { ExportReport } from "../report/report-toml.ts";
import { timed } from "../report/timer.ts";
import type { AppLayer } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import type { FirstDocuments, OpeningImages, Preparation } from "./prepare.ts";

export interface AppInputs extends FirstDocuments {
  readonly group: readonly GroupElement[];
  readonly images: OpeningImages;
  readonly runImageNames: RunImageNames;
}

export interface SavedApp {
  readonly report: ExportReport;
  readonly runImage: RunImageRecord;
  readonly identifier: string;
  readonly failure: Fault | undefined;
}

interface AppParts extends Pick<UnsavedImage, "runImage" | "base"> {
  readonly layers: readonly AppLayer[];
  readonly config: ContainerConfig;
}

/**
 * Assembles the app image from its layers and saves it (docs/compatibility.md#app-image,
 * docs/compatibility.md#saving-and-logging).
 * @throws Fault `failed to export: ...` with exit code 62; the signal's reason
 */
export async function saveAppImage(
  context: ExportContext,
  inputs: AppInputs,
  preparation: Preparation,
  signal: AbortSignal,
): Promise<SavedApp> {
  try {
    const layers = await preparation.layers.walk(context.logger);
    const runImage = await inputs.images.runImage;
    const parts = { runImage, base: preparation.layers.base, layers };
    const config = appConfig(context, inputs, preparation, { ...parts, launcher: await context.launcherRelease });
    const bom = await context.documents.buildBom(inputs.group);
    const image = () => unsavedImage(context, { ...parts, config });
    const saved = await save(context, image, signal);
    const record = { ...identityOf(runImage), ...inputs.runImageNames };
    const report = { ...reportOf(saved, bom), ...(context.settings.tuning.reportRunImage && { runImage: record }) };
    return { report, runImage: record, identifier: saved.identifier, failure: namesFault(saved.names) };
  } catch (error) {
    signal.throwIfAborted();
    throw failTo("export", error, EXIT_CODES.exportFailed);
  }
}

function appConfig(
  context: ExportContext,
  { project, extendedConfig, runImageNames }: AppInputs,
  { plan, build }: Preparation,
  { runImage, layers, launcher }: Pick<AppParts, "runImage" | "layers"> & { readonly launcher: LauncherRelease },
): ContainerConfig {
  const { settings, logger } = context;
  const diffIds = new Map(layers.map(({ step, diffId }) => [step, diffId]));
  const named = gates(settings.platformApi).hasRunImageNames ? runImageNames : NO_NAMES;
  const lifecycle = recordLifecycle(plan.steps, (step) => diffIds.get(step) ?? "", {
    runImage: { ...identityOf(runImage), ...named },
    stack: runImageNames,
  });
  const inputs = { ...settings, lifecycle, build, project, launcher };
  return appContainerConfig(extendedConfig ?? runImage.config.config, runImage.config.os, inputs, logger);
}

function identityOf({ config, reference }: RunImage): Pick<RunImageRecord, "topLayer" | "reference"> {
  return { topLayer: runImageTopLayer(config), reference };
}

async function save(
  { app, logger }: ExportContext,
  image: () => UnsavedImage,
  signal: AbortSignal,
): Promise<SavedImage> {
  return await timed(`Saving ${app.name}...`, logger, async () => {
    try {
      logger.info(`Saving ${app.name}...`);
      const saved = await app.save(image(), signal);
      logSaved(saved, logger);
      return saved;
    } catch (error) {
      signal.throwIfAborted();
      throw withContext("saving image", error);
    }
  });
}

function unsavedImage({ settings, app }: ExportContext, { runImage, base, layers, config }: AppParts): UnsavedImage {
  const described = layers.map(({ diffId, step }) => ({ diffId, createdBy: step.createdBy }));
  const created = createdTime(settings.sourceDateEpoch);
  const { keepsHistory } = gates(settings.platformApi);
  const configBytes = appConfigBytes(runImage, described, config, { created, keepsHistory });
  return {
    runImage,
    base,
    layers,
    configBytes,
    build: (descriptors, annotations) => {
      const image = buildAppImage(runImage, configBytes, descriptors, annotations);
      checkImage(app.name, image, runImage, layers.map(ownLayer));
      return image;
    },
  };
}

function ownLayer({ id, diffId, content }: AppLayer): OwnLayer {
  if (content.kind === "built") return { id, diffId, from: undefined, canBeBuilt: true };
  return { id, diffId, from: content.from, canBeBuilt: content.otherwise !== undefined };
}

function reportOf(
  { names, identifier, identifiedBy, manifestSize }: SavedImage,
  bom: ExportReport["bom"],
): ExportReport {
  return {
    tags: names.filter(({ failure }) => failure === undefined).map(({ name }) => name),
    imageId: identifiedBy === "image-id" ? withoutAlgorithm(identifier) : undefined,
    digest: identifiedBy === "digest" ? identifier : undefined,
    manifestSize,
    bom,
  };
}

function logSaved({ names, label, identifier, identifiedBy, manifestSize }: SavedImage, logger: Logger): void {
  logger.info(`*** Images (${label}):`);
  for (const { name, failure } of names)
    logger.info(`      ${name}${failure === undefined ? "" : ` - ${failure.message}`}`);
  if (identifiedBy === "digest") logger.debug(`\n*** Digest: ${identifier}`);
  if (identifiedBy === "image-id") logger.debug(`\n*** Image ID: ${withoutAlgorithm(identifier)}`);
  if (manifestSize > 0) logger.debug(`\n*** Manifest Size: ${manifestSize}`);
}
