import type { BuildpackRecord, LayerRecord } from "../cnb/metadata.ts";

/** What earlier metadata says of a layer; of a buildpack's versions the first counts (contract 4.2, 6.5). */
export function recordOf(
  records: readonly BuildpackRecord[],
  buildpackId: string,
  layerName: string,
): LayerRecord | undefined {
  return records.find(({ key }) => key === buildpackId)?.layers.get(layerName);
}
