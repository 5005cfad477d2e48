import type { HistoryEntry } from "../oci/image-config.ts";

/** A history entry that says when, and nothing else. */
export function blankEntry(created: string): HistoryEntry {
  return { author: "", created, created_by: "", comment: "", empty_layer: false };
}

/**
 * One history entry for every layer, each with the image's time (docs/compatibility.md#history). The run image's
 * entries for empty layers are dropped; if the rest does not match its layers, all of them become blank.
 * @param base the run image's history
 * @param baseLayers number of the run image's layers
 * @param createdBy of the layers on top, from the bottom
 * @param keeps false below Platform API 0.12: all entries are blank
 */
export function imageHistory(
  base: readonly HistoryEntry[],
  baseLayers: number,
  createdBy: readonly string[],
  created: string,
  keeps: boolean,
): HistoryEntry[] {
  const blank = blankEntry(created);
  if (!keeps) return Array.from({ length: baseLayers + createdBy.length }, () => blank);
  const own = base.filter((entry) => !entry.empty_layer);
  const kept = own.length === baseLayers ? own : Array.from({ length: baseLayers }, () => blank);
  return [
    ...kept.map((entry) => ({ ...entry, created })),
    ...createdBy.map((text) => ({ ...blank, created_by: text })),
  ];
}
