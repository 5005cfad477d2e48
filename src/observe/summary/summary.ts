import type { Monitor } from "../monitor.ts";
import { bytesText, durationText, percentText } from "../quantities.ts";
import type { Bottleneck } from "./activity.ts";

/**
 * Sizes in bytes, times in ms since the export began. `made` counts layers whose contents were compressed or sent;
 * early ones were ready before the build ended, and early wasted bytes were sent for layers that changed later.
 */
export interface Summary {
  readonly made: number;
  readonly reused: number;
  readonly readBytes: number;
  readonly tarBytes: number;
  readonly compressedBytes: number;
  readonly sentBytes: number;
  readonly earlyLayers: number;
  readonly earlyBytes: number;
  readonly earlyWastedBytes: number;
  readonly appReadyMs: number | undefined;
  readonly totalMs: number;
  readonly bottleneck: Bottleneck | undefined;
}

export function summarize(monitor: Monitor, bottleneck: Bottleneck | undefined): Summary {
  let [readBytes, tarBytes, compressedBytes, sentBytes] = [0, 0, 0, 0];
  let [earlyLayers, earlyBytes] = [0, 0];
  const built = new Set<string>();
  for (const { id, builtInAll, isCompressed, isReadyEarly, tarSize = 0, compressed } of monitor.layers) {
    readBytes += builtInAll;
    if (isReadyEarly) {
      earlyLayers += 1;
      earlyBytes += tarSize;
    }
    if (!isCompressed) continue;
    built.add(id);
    tarBytes += tarSize;
    compressedBytes += compressed;
  }
  for (const { plan, sent, startedMs } of monitor.transfers) {
    if (startedMs === undefined) continue;
    sentBytes += sent;
    if (plan.layer !== undefined) built.add(plan.layer);
  }
  return {
    made: built.size,
    reused: [...monitor.reused].filter((id) => !built.has(id)).length,
    readBytes,
    tarBytes,
    compressedBytes,
    sentBytes,
    earlyLayers,
    earlyBytes,
    earlyWastedBytes: monitor.wastedBytes(),
    appReadyMs: monitor.appReadyMs,
    totalMs: monitor.elapsedMs(),
    bottleneck,
  };
}

export interface Setup {
  readonly workers: number;
  readonly fittingWorkers: number;
  readonly maxWorkers: number;
  readonly cores: number;
  readonly compression: "gzip" | "zstd";
  readonly compressionLevel: number;
  readonly parallel: boolean;
}

/** Fraction of the total time that the cache may take after the app image before -parallel is suggested. */
const LATE_CACHE = 0.25;

const MAJOR_SHARE = 0.5;

/** Makes blobs some 10% smaller than the fastest level, at a third of its speed. */
const SMALLER_LEVEL = 5;

/** Archives and media, which the fastest level hardly shrinks, do not get smaller at a higher one either. */
const MAX_RATIO = 0.9;

export function advice({ tarBytes, compressedBytes, appReadyMs, totalMs, bottleneck }: Summary, setup: Setup): string {
  const { workers, fittingWorkers, maxWorkers, cores, compression, compressionLevel, parallel } = setup;
  const behindMs = totalMs - (appReadyMs ?? totalMs);
  if (!parallel && behindMs > LATE_CACHE * totalMs) return "use -parallel to export the cache alongside the app image";
  switch (bottleneck?.constraint.kind) {
    case "cores": {
      const possible = Math.min(cores, fittingWorkers, maxWorkers);
      if (workers < possible) return `use -workers ${possible} to use more cores`;
      if (workers < cores)
        return maxWorkers < fittingWorkers
          ? "raise the process's limits to allow more workers"
          : "add memory to allow more workers";
      return compressionLevel > 1 ? "use -compression-level 1 to compress faster" : "add cores to compress faster";
    }
    case "disk":
      return "use a faster disk for the layers";
    case "destination": {
      if (compression !== "gzip" || compressedBytes >= MAX_RATIO * tarBytes) return "";
      const isSmaller = compressionLevel >= SMALLER_LEVEL || bottleneck.share < MAJOR_SHARE;
      return isSmaller ? "" : `use -compression-level ${SMALLER_LEVEL} to send less`;
    }
    default:
      return "";
  }
}

const MIN_SHARE = 0.3;

export function summaryLines(summary: Summary, setup: Setup): string[] {
  const { made, reused, readBytes, tarBytes, compressedBytes, sentBytes, appReadyMs, totalMs, bottleneck } = summary;
  const compressed = tarBytes === 0 ? "" : `, compressed ${bytesText(tarBytes)} to ${bytesText(compressedBytes)}`;
  const ready = appReadyMs === undefined ? "" : `app image ready after ${durationText(appReadyMs)}, `;
  const hint = advice(summary, setup);
  const held = bottleneck !== undefined && bottleneck.share >= MIN_SHARE ? bottleneckText(bottleneck) : "";
  const last = [held, hint].filter((text) => text !== "").join("; ");
  return [
    `${made} ${made === 1 ? "layer" : "layers"} built, ${reused} reused; read ${bytesText(readBytes)}${compressed}, sent ${bytesText(sentBytes)}`,
    ...earlyLines(summary),
    `${ready}done after ${durationText(totalMs)}`,
    ...(last === "" ? [] : [last]),
  ].map((line) => `Summary: ${line}`);
}

function earlyLines({ earlyLayers, earlyBytes, earlyWastedBytes }: Summary): string[] {
  if (earlyLayers === 0 && earlyWastedBytes === 0) return [];
  const layers = earlyLayers === 1 ? "1 layer was" : `${earlyLayers} layers were`;
  const wasted = earlyWastedBytes === 0 ? "" : `; sent ${bytesText(earlyWastedBytes)} of layers that changed later`;
  return [`${layers} ready before the build ended (${bytesText(earlyBytes)})${wasted}`];
}

function bottleneckText({ constraint, share }: Bottleneck): string {
  const time = `${percentText(share)} of the time`;
  switch (constraint.kind) {
    case "cores":
      return `bottleneck: CPU (${time})`;
    case "disk":
      return `bottleneck: disk reads (${time})`;
    case "destination":
      return `bottleneck: ${constraint.destination} (${time})`;
    case "answers":
      return `bottleneck: waiting for responses (${time})`;
  }
}
