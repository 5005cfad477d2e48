import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { BuildMetadata, GroupElement } from "../cnb/build-metadata.ts";
import { gates } from "../cnb/platform-api.ts";
import { Fault, withContext } from "../faults/fault.ts";
import type { BuildpackLayers } from "../inputs/export-inputs.ts";
import { copyLifecycleSboms } from "../inputs/sbom-copies.ts";
import type { AppStep } from "../plan/app-step.ts";
import { type AppPlan, type PlanInputs, planApp } from "../plan/plan-app.ts";
import type { ExportContext } from "./context.ts";

/** What the app image and the cache are both made from. */
export interface Preparation {
  readonly build: BuildMetadata;
  readonly inputs: PlanInputs;
  readonly plan: AppPlan;
}

/**
 * Reads what the builder left behind and plans the app image (contract 4.1, 4.2). From here on layers can be made.
 * @throws Fault; the caller adds `failed to export`
 */
export async function prepare(context: ExportContext, group: readonly GroupElement[]): Promise<Preparation> {
  const { settings, analyzed, documents, logger } = context;
  const { layersDir, launcherSbomDir } = settings;
  if (gates(settings.platformApi).copiesSboms) copyLifecycleSboms(layersDir, launcherSbomDir, logger);
  const build = await documents.buildMetadata().catch((error: unknown) => {
    throw withContext("read build metadata", error);
  });
  refuseExtensions(context);
  const { buildpacks, fault } = await readBuildpacks(context, group);
  const inputs: PlanInputs = {
    settings,
    previous: analyzed.metadata,
    buildpacks,
    build,
    hasLaunchSbom: existsSync(join(layersDir, "sbom", "launch")),
    hasCacheSbom: existsSync(join(layersDir, "sbom", "cache")),
    hasCache: settings.cacheImage !== "",
  };
  const plan = planApp(inputs);
  return { build, inputs, plan: fault === undefined ? plan : { ...plan, steps: endWith(fault, plan.steps) } };
}

/** Reads the group's directories in order, up to the first that cannot be read. */
async function readBuildpacks(
  { documents }: ExportContext,
  group: readonly GroupElement[],
): Promise<{ readonly buildpacks: BuildpackLayers[]; readonly fault: Fault | undefined }> {
  const buildpacks: BuildpackLayers[] = [];
  for (const buildpack of group) {
    try {
      buildpacks.push(await documents.buildpackLayers(buildpack));
    } catch (error) {
      if (error instanceof Fault) return { buildpacks, fault: error };
      throw error;
    }
  }
  return { buildpacks, fault: undefined };
}

/** The steps of the buildpacks that could be read, then the fault. */
function endWith(fault: Fault, steps: readonly AppStep[]): AppStep[] {
  const isBuildpackStep = ({ kind, ...step }: AppStep): boolean =>
    kind === "buildpack" || ("role" in step && step.role?.kind === "launch");
  const end = steps.findIndex((step) => !isBuildpackStep(step));
  return [...steps.slice(0, end < 0 ? undefined : end), { kind: "fault", role: undefined, fault }];
}

/** An image without its extensions' layers would be a wrong one. */
function refuseExtensions({ settings, analyzed }: ExportContext): void {
  if (!gates(settings.platformApi).hasExtensions || settings.extendedDir === "") return;
  const directory = join(settings.extendedDir, "run");
  const hasLayers = existsSync(directory) && readdirSync(directory).length > 0;
  if (hasLayers || analyzed.runImage?.extend === true)
    throw new Fault("EXPORT_PLAN_EXTENSIONS", `run images extended by image extensions are not supported yet`, {
      hint: `${directory} has layers, or analyzed.toml has extend = true.`,
    });
}
