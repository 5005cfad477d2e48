import { type GoStruct, type GoValue, goStruct } from "../oci/go-json.ts";
import type { BuildpackRecord, LayerRecord } from "./metadata.ts";

/**
 * The member `buildpacks` of the lifecycle and the cache metadata: null for an empty group
 * (docs/compatibility.md#labels, docs/compatibility.md#cache-metadata).
 */
export function buildpackRecordsJson(records: readonly BuildpackRecord[]): GoValue {
  return records.length === 0 ? null : records.map(buildpackRecordJson);
}

/** `{"sha":"..."}` */
export function shaJson(sha: string): GoStruct {
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
