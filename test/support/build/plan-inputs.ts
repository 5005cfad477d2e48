import { parsePlatformApi } from "../../../src/cnb/api.ts";
import type { LifecycleMetadata } from "../../../src/cnb/lifecycle-metadata.ts";
import type { BuildpackLayer, BuildpackLayers, PlanInputs } from "../../../src/plan/inputs.ts";

export function diffIdOfDigit(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

/** A layer of `buildpackId` below /layers, with nothing set. */
export function layer(buildpackId: string, name: string, set: Partial<BuildpackLayer> = {}): BuildpackLayer {
  return {
    name,
    id: `${buildpackId}:${name}`,
    path: `/layers/${buildpackId.replaceAll("/", "_")}/${name}`,
    hasContents: true,
    build: false,
    launch: false,
    cache: false,
    data: null,
    malformed: undefined,
    ...set,
  };
}

export function buildpack(id: string, ...layers: BuildpackLayer[]): BuildpackLayers {
  const path = `/layers/${id.replaceAll("/", "_")}`;
  const element = { id, version: "1.0", api: "0.10", homepage: "", optional: false, extension: false };
  return { buildpack: element, path, entries: [], layers, store: undefined, unreadable: undefined };
}

export const EMPTY_METADATA: LifecycleMetadata = {
  app: [],
  sbom: undefined,
  buildpacks: [],
  config: "",
  launcher: "",
  processTypes: "",
  runImage: { topLayer: "", reference: "", image: "", mirrors: [] },
  stack: { image: "", mirrors: [] },
};

/** Inputs of an app without buildpacks, processes and SBOMs at API 0.12. */
export function planInputs(set: Partial<PlanInputs> = {}, api = "0.12"): PlanInputs {
  return {
    settings: {
      platformApi: parsePlatformApi(api),
      appDir: "/workspace",
      layersDir: "/layers",
      launcherPath: "/cnb/lifecycle/launcher",
      uid: 1,
      gid: 2,
    },
    previous: EMPTY_METADATA,
    extensions: [],
    previousDiffIds: [],
    buildpacks: [],
    build: { slices: [], processes: null },
    hasLaunchSbom: false,
    hasCacheSbom: false,
    appUses: [{ kind: "blob" }],
    cache: undefined,
    ...set,
  };
}

export function record(key: string, layers: Readonly<Record<string, string>>) {
  return {
    key,
    version: "0",
    layers: new Map(
      Object.entries(layers).map(([name, diffId]) => [
        name,
        { diffId, data: null, build: false, launch: true, cache: true },
      ]),
    ),
  };
}
