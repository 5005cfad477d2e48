import type { TomlDate } from "smol-toml";
import { withContext } from "../errors/fault.ts";
import { anything, decodeFirst, flag, list, mapOf, struct, text, unmarshal } from "../go/json-decode.ts";
import { type GoStruct, type GoValue, goJson, goStruct, unlessEmpty } from "../go/json-encode.ts";
import { CREATED_BY_CONFIG, CREATED_BY_LAUNCHER, CREATED_BY_PROCESS_TYPES, CREATED_BY_SBOM } from "./names.ts";

/**
 * A value of a TOML or JSON document whose shape the buildpack chooses. Integers from TOML are BigInts, because they
 * have 64 bits and TOML output distinguishes `1` from `1.0`; floats are numbers. Dates print all their digits
 * (`toISOString`).
 */
export type FreeValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | TomlDate
  | readonly FreeValue[]
  | { readonly [key: string]: FreeValue };

export interface LayerRecord {
  readonly diffId: string;
  readonly data: FreeValue;
  readonly build: boolean;
  readonly launch: boolean;
  readonly cache: boolean;
}

export interface BuildpackRecord {
  readonly key: string;
  readonly version: string;
  readonly layers: ReadonlyMap<string, LayerRecord>;
  /** The buildpack's store.toml; absent if there is none. `metadata` is null if the file has no such table. */
  readonly store?: { readonly metadata: FreeValue } | undefined;
}

export interface RunImageNames {
  readonly image: string;
  readonly mirrors: readonly string[];
}

export const NO_NAMES: RunImageNames = { image: "", mirrors: [] };

export interface RunImageRecord extends RunImageNames {
  readonly topLayer: string;
  readonly reference: string;
}

export interface LifecycleMetadata {
  readonly app: readonly string[];
  readonly sbom: string | undefined;
  readonly buildpacks: readonly BuildpackRecord[];
  readonly config: string;
  readonly launcher: string;
  readonly processTypes: string;
  readonly runImage: RunImageRecord;
  readonly stack: RunImageNames;
}

/**
 * The label of a cache image and, with a line feed added, the metadata file of a volume cache, byte-identical to the
 * reference's (docs/compatibility.md#cache-metadata). `sbom` is "" if there is none.
 */
export interface CacheMetadata {
  readonly sbom: string;
  readonly buildpacks: readonly BuildpackRecord[];
}

function buildpackRecordsJson(records: readonly BuildpackRecord[]): GoValue {
  return records.length === 0 ? null : records.map(buildpackRecordJson);
}

function shaJson(sha: string): GoStruct {
  return goStruct({ sha });
}

function buildpackRecordJson({ key, version, layers, store }: BuildpackRecord): GoStruct {
  return goStruct({
    key,
    version,
    layers: new Map([...layers].map(([name, layer]) => [name, layerRecordJson(layer)])),
    store: store === undefined ? undefined : goStruct({ metadata: store.metadata }),
  });
}

function layerRecordJson({ diffId, data, build, launch, cache }: LayerRecord): GoStruct {
  return goStruct({ sha: diffId, data, build, launch, cache });
}

/**
 * The value of the label `io.buildpacks.lifecycle.metadata`, byte-identical to the reference's
 * (docs/compatibility.md#labels). Below Platform API 0.12 the names in `runImage` must be empty; those in `stack` are
 * always written.
 * @throws Fault `marshall metadata: ...` for layer data that JSON cannot hold
 */
export function lifecycleMetadataLabel(metadata: LifecycleMetadata): string {
  const { app, sbom, buildpacks, config, launcher, processTypes, runImage, stack } = metadata;
  try {
    return goJson(
      goStruct({
        app: app.length === 0 ? null : app.map(shaJson),
        sbom: sbom === undefined ? undefined : shaJson(sbom),
        buildpacks: buildpackRecordsJson(buildpacks),
        config: shaJson(config),
        launcher: shaJson(launcher),
        "process-types": shaJson(processTypes),
        runImage: goStruct({
          topLayer: runImage.topLayer,
          reference: runImage.reference,
          image: unlessEmpty(runImage.image),
          mirrors: unlessEmpty(runImage.mirrors),
        }),
        stack: goStruct({ runImage: namesJson(stack) }),
      }),
    );
  } catch (error) {
    throw withContext("marshall metadata", error);
  }
}

function namesJson({ image, mirrors }: RunImageNames): GoStruct {
  return goStruct({ image: unlessEmpty(image), mirrors: unlessEmpty(mirrors) });
}

export const EMPTY_CACHE_METADATA: CacheMetadata = { sbom: "", buildpacks: [] };

export function cacheMetadataJson(metadata: CacheMetadata): string {
  return goJson(goStruct({ sbom: shaJson(metadata.sbom), buildpacks: buildpackRecordsJson(metadata.buildpacks) }));
}

const shaType = struct({ sha: text });

const recordedType = struct({
  app: list(shaType),
  sbom: shaType,
  buildpacks: list(struct({ layers: mapOf(shaType) })),
  config: shaType,
  launcher: shaType,
  "process-types": shaType,
  runImage: struct({ topLayer: text, reference: text }),
});

/**
 * DiffIDs, "" if unknown: of the run image's last layer and of the layers above it, of which extension layers are not
 * recorded.
 */
export interface RecordedLayers {
  readonly runImage: Pick<RunImageRecord, "topLayer" | "reference">;
  readonly own: readonly string[];
  readonly byHistory: ReadonlyMap<string, string>;
}

export function parseRecordedLayers(label: string | undefined): RecordedLayers {
  const recorded = unmarshal(label ?? "{}", recordedType);
  if (!recorded.ok) return { runImage: { topLayer: "", reference: "" }, own: [], byHistory: new Map() };
  const { app, sbom, buildpacks, config, launcher, "process-types": processTypes, runImage } = recorded.value;
  const launch = buildpacks.flatMap(({ layers }) => [...layers.values()]);
  const own = [...launch, sbom, ...app, launcher, config, processTypes].map(({ sha }) => sha);
  const byHistory = new Map([
    [CREATED_BY_SBOM, sbom.sha],
    [CREATED_BY_LAUNCHER, launcher.sha],
    [CREATED_BY_CONFIG, config.sha],
    [CREATED_BY_PROCESS_TYPES, processTypes.sha],
  ]);
  return { runImage, own, byHistory };
}

const layerType = struct({ sha: text, data: anything, build: flag, launch: flag, cache: flag }).transform(
  ({ sha, ...layer }): LayerRecord => ({ diffId: sha, ...layer }),
);

const buildpackType = struct({ key: text, version: text, layers: mapOf(layerType) });

const cacheMetadataType = struct({ sbom: shaType, buildpacks: list(buildpackType) }).transform(
  ({ sbom, buildpacks }): CacheMetadata => ({ sbom: sbom.sha, buildpacks }),
);

/**
 * Reads a cache image's label or a cache directory's file, in which trailing text is ignored. Undecodable metadata
 * counts as empty (docs/compatibility.md#cache-metadata).
 */
export function parseCacheMetadata(json: Uint8Array | string | undefined): CacheMetadata {
  const decode = typeof json === "string" ? unmarshal : decodeFirst;
  const metadata = decode(json ?? "{}", cacheMetadataType);
  return metadata.ok ? metadata.value : EMPTY_CACHE_METADATA;
}
