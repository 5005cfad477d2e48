import { readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { readExtendedConfig, readExtensionLayers } from "../build-output/extended-image.ts";
import { findSboms, SbomCopies } from "../build-output/sboms.ts";
import { type OpeningCache, openCache } from "../caches/open.ts";
import { gates } from "../cnb/api.ts";
import type { BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { guardExperimental } from "../cnb/experimental.ts";
import { EMPTY_CACHE_METADATA } from "../cnb/lifecycle-metadata.ts";
import type { ProjectMetadata } from "../cnb/project-metadata.ts";
import type { TaskScope } from "../concurrency/task-scope.ts";
import type { RunImage, SourceImage } from "../destinations/destination.ts";
import { Fault, failTo, withContext } from "../errors/fault.ts";
import { appImageDamage } from "../images/integrity.ts";
import type { Logger } from "../logger.ts";
import type { ContainerConfig } from "../oci/image-config.ts";
import { planApp } from "../plan/app.ts";
import { cachedSources } from "../plan/cache.ts";
import type { BuildpackLayers, ExportSettings, PlanInputs } from "../plan/inputs.ts";
import { layerKey } from "../plan/layers.ts";
import type { AppPlan } from "../plan/steps.ts";
import { AppLayers } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";

/**
 * `previous` is also undefined for an image that cannot be read, or whose layers cannot be trusted: `damage` is the
 * warning about it. The reference uses such layers unchecked. `all` rejects with the first failure in the reference's
 * order.
 */
export interface OpeningImages {
  readonly cache: OpeningCache;
  readonly runImage: Promise<RunImage>;
  readonly previous: Promise<SourceImage | undefined>;
  readonly damage: Promise<string | undefined>;
  readonly launchCache: Promise<void>;
  readonly all: Promise<void>;
}

/**
 * Opens everything at once. A name that may not be pushed fails the scope early, unless one of the images cannot be
 * opened, which is reported first.
 */
export function openImages(context: ExportContext, tasks: TaskScope): OpeningImages {
  const { app, store } = context;
  const cache = openCache(context, tasks);
  const runImage = tasks.fork((signal) => app.openRunImage(signal));
  const found = tasks.fork((signal) => app.openPreviousImage(signal));
  const damage = tasks.fork(async () => {
    const image = await found;
    if (image === undefined) return undefined;
    const isUnreadable = image instanceof Fault;
    const name = isUnreadable ? context.analyzed.previousImage : image.name;
    const reason = isUnreadable ? image.message : appImageDamage(image, await runImage);
    return reason && `Not reusing layers of the previous image ${name}: ${reason}`;
  });
  const previous = tasks.fork(async () => {
    const image = await found;
    return image instanceof Fault || (await damage) !== undefined ? undefined : image;
  });
  const launchCache = tasks.fork(() => app.openLaunchCache((path) => store.hashFile(path)));
  const all = tasks.fork(async () => {
    for (const opening of [cache.store, previous, runImage, launchCache]) await opening;
  });
  tasks.defer(async () => {
    const opened = await cache.store.catch(() => undefined);
    if (!(opened instanceof Fault)) await opened?.close();
  });
  const access = tasks.fork((signal) => app.checkAccess(signal));
  tasks.guard(
    access.catch(async (error: unknown) => {
      await all;
      throw error;
    }),
  );
  return { cache, runImage, previous, damage, launchCache, all };
}

export interface FirstDocuments {
  readonly project: ProjectMetadata;
  readonly extendedConfig: ContainerConfig | undefined;
}

export async function readFirstDocuments(context: ExportContext, logger: Logger): Promise<FirstDocuments> {
  await guardDockerfiles(context.settings, logger);
  const project = await context.documents.projectMetadata(logger);
  const extendedConfig = await readExtendedConfig(context, logger);
  context.app.announce(logger);
  return { project, extendedConfig };
}

export interface Preparation {
  readonly build: BuildMetadata;
  readonly inputs: PlanInputs;
  readonly plan: AppPlan;
  readonly layers: AppLayers;
}

export async function prepareLayers(
  context: ExportContext,
  group: readonly GroupElement[],
  images: OpeningImages,
  tasks: TaskScope,
  logger: Logger,
): Promise<Preparation> {
  try {
    const { layersDir, launcherSbomDir, platformApi } = context.settings;
    if (gates(platformApi).copiesSboms) {
      const sboms = new SbomCopies();
      tasks.defer(() => images.all.catch(() => sboms.undo()));
      await sboms.make(layersDir, launcherSbomDir, logger);
    }
    const build = await context.documents.buildMetadata().catch((error: unknown) => {
      throw withContext("read build metadata", error);
    });
    const inputs = await readPlanInputs(context, build, group, images);
    const plan = planApp(inputs);
    context.store.dropEarlyBut(plannedKeys(plan, inputs));
    return { build, inputs, plan, layers: new AppLayers(context, plan, images, tasks) };
  } catch (error) {
    throw failTo("export", error, EXIT_CODES.exportFailed);
  }
}

/** Keys of the layers that the app image or the cache takes. */
function plannedKeys({ layers }: AppPlan, inputs: PlanInputs): ReadonlySet<string> {
  const cached = inputs.cache === undefined ? [] : [...cachedSources(inputs, EMPTY_CACHE_METADATA)];
  return new Set([...layers.map(({ key }) => key), ...cached.map(({ source }) => layerKey(source))]);
}

async function readPlanInputs(
  { settings, analyzed, documents, app }: ExportContext,
  build: BuildMetadata,
  group: readonly GroupElement[],
  images: OpeningImages,
): Promise<PlanInputs> {
  const extensions = await readExtensionLayers(settings);
  const buildpacks: BuildpackLayers[] = [];
  for (const buildpack of group) {
    buildpacks.push(await documents.buildpackLayers(buildpack));
    // The plan ends there.
    if (buildpacks.at(-1)?.unreadable !== undefined) break;
  }
  await images.launchCache;
  return {
    settings,
    previous: analyzed.metadata,
    extensions,
    previousDiffIds: extensions.length === 0 ? [] : await diffIdsOf(images.previous),
    buildpacks,
    build,
    hasLaunchSbom: await findSboms(join(settings.layersDir, "sbom", "launch")),
    hasCacheSbom: await findSboms(join(settings.layersDir, "sbom", "cache")),
    appUses: app.layerUses,
    cache: await images.cache.planned,
  };
}

async function diffIdsOf(image: OpeningImages["previous"]): Promise<readonly string[]> {
  const opened = await image.catch(() => undefined);
  return opened?.config.rootfs.diff_ids ?? [];
}

export async function guardDockerfiles(settings: ExportSettings, logger: Logger): Promise<void> {
  if (gates(settings.platformApi).allowsDockerfiles) return;
  if (await hasExtendedLayers(settings)) guardExperimental("Dockerfiles", settings.experimentalMode, logger);
}

async function hasExtendedLayers({ extendedDir }: Pick<ExportSettings, "extendedDir">): Promise<boolean> {
  if (extendedDir === "") return false;
  const entries = await readdir(posix.join(extendedDir, "run")).catch(() => []);
  return entries.length > 0;
}
