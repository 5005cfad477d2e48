import type { Monitor } from "../../flow/monitor.ts";
import type { HeldUp } from "./activity.ts";

/** What an export did, in numbers. Sizes in bytes, times in ms since its begin. */
export interface Summary {
  /** Layers whose contents were compressed or sent. */
  readonly made: number;
  /** Layers that an image that was there before has. */
  readonly reused: number;
  readonly readBytes: number;
  /** Of the tars that were compressed, and what became of them. */
  readonly tarBytes: number;
  readonly compressedBytes: number;
  readonly sentBytes: number;
  readonly appReadyMs: number | undefined;
  readonly totalMs: number;
  readonly heldUp: HeldUp | undefined;
}

/** Sums up what a monitor saw. */
export function summarize(monitor: Monitor, heldUp: HeldUp | undefined): Summary {
  let [readBytes, tarBytes, compressedBytes, sentBytes] = [0, 0, 0, 0];
  const made = new Set<string>();
  for (const { id, madeInAll, isCompressed, tarSize = 0, compressed } of monitor.layers) {
    readBytes += madeInAll;
    if (!isCompressed) continue;
    made.add(id);
    tarBytes += tarSize;
    compressedBytes += compressed;
  }
  for (const { plan, sent, startedMs } of monitor.transfers) {
    if (startedMs === undefined) continue;
    sentBytes += sent;
    if (plan.layer !== undefined) made.add(plan.layer);
  }
  return {
    made: made.size,
    reused: [...monitor.reused].filter((id) => !made.has(id)).length,
    readBytes,
    tarBytes,
    compressedBytes,
    sentBytes,
    appReadyMs: monitor.appReadyMs,
    totalMs: monitor.elapsedMs(),
    heldUp,
  };
}
