import { join } from "node:path";
import { readExtendedImage } from "../build-output/extended-image.ts";
import { copyLifecycleSboms, findSboms } from "../build-output/sboms.ts";
import { gates } from "../cnb/api.ts";
import type { BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import { withContext } from "../errors/fault.ts";
import { planApp } from "../plan/app.ts";
import type { BuildpackLayers, PlanInputs } from "../plan/inputs.ts";
import type { AppPlan } from "../plan/steps.ts";
import type { ExportContext } from "./context.ts";
import type { OpeningImages } from "./open.ts";

/** What the app image and the cache are both made from. */
export interface Preparation {
  readonly build: BuildMetadata;
  readonly inputs: PlanInputs;
  readonly plan: AppPlan;
}

/**
 * Reads the builder's output and plans the app image (docs/compatibility.md#sbom-copies,
 * docs/compatibility.md#build-output). From here on layers can be built.
 * @throws Fault; the caller adds `failed to export`
 */
export async function prepare(
  context: ExportContext,
  group: readonly GroupElement[],
  images: Pick<OpeningImages, "cache" | "launchCache" | "previous">,
): Promise<Preparation> {
  const { settings, analyzed, documents, logger } = context;
  const { layersDir, launcherSbomDir } = settings;
  if (gates(settings.platformApi).copiesSboms) await copyLifecycleSboms(layersDir, launcherSbomDir, logger);
  const build = await documents.buildMetadata().catch((error: unknown) => {
    throw withContext("read build metadata", error);
  });
  const extensions = (await readExtendedImage(settings))?.layers ?? [];
  const buildpacks = await readBuildpacks(context, group);
  await images.launchCache;
  const inputs: PlanInputs = {
    settings,
    previous: analyzed.metadata,
    extensions,
    previousDiffIds: extensions.length === 0 ? [] : await diffIdsOf(images.previous),
    buildpacks,
    build,
    hasLaunchSbom: await findSboms(join(layersDir, "sbom", "launch")),
    hasCacheSbom: await findSboms(join(layersDir, "sbom", "cache")),
    appUses: context.app.layerUses,
    cache: await images.cache.planned,
  };
  return { build, inputs, plan: planApp(inputs) };
}

/** None of one that cannot be opened: the export waits for it later, and fails then. */
async function diffIdsOf(image: OpeningImages["previous"]): Promise<readonly string[]> {
  const opened = await image.catch(() => undefined);
  return opened?.config.rootfs.diff_ids ?? [];
}

/** Reads the group's directories in order, up to the first that cannot be read, with which the plan ends. */
async function readBuildpacks(
  { documents }: ExportContext,
  group: readonly GroupElement[],
): Promise<readonly BuildpackLayers[]> {
  const buildpacks: BuildpackLayers[] = [];
  for (const buildpack of group) {
    const layers = await documents.buildpackLayers(buildpack);
    buildpacks.push(layers);
    if (layers.unreadable !== undefined) break;
  }
  return buildpacks;
}
