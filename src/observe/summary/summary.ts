import type { Monitor } from "../monitor.ts";
import { bytesText, durationText, percentText } from "../quantities.ts";
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

/** How the export was set up, as far as flags could change it. */
export interface Setup {
  readonly workers: number;
  /** The most that memory allows. */
  readonly fittingWorkers: number;
  /** The most that the limits of the process allow. */
  readonly mostWorkers: number;
  /** That this process may use. */
  readonly cores: number;
  readonly compression: "gzip" | "zstd";
  readonly compressionLevel: number;
  readonly parallel: boolean;
}

/** A cache that takes this part of all the time behind the app image could be made beside it. */
const LATE_CACHE = 0.25;

/** A registry is told to be sent less from this part of all the time on. */
const MUCH = 0.5;

/** A level that makes blobs some 10 % smaller than the fastest, at a third of its speed. */
const SMALLER_LEVEL = 5;

/** Which flag would help most; "" when none would. */
export function advice({ appReadyMs, totalMs, heldUp }: Summary, setup: Setup): string {
  const { workers, fittingWorkers, mostWorkers, cores, compression, compressionLevel, parallel } = setup;
  const behindMs = totalMs - (appReadyMs ?? totalMs);
  if (!parallel && behindMs > LATE_CACHE * totalMs) return "-parallel makes the cache beside the app image";
  switch (heldUp?.holdup.kind) {
    case "cores": {
      const possible = Math.min(cores, fittingWorkers, mostWorkers);
      if (workers < possible) return `-workers ${possible} uses more cores`;
      if (workers < cores)
        return mostWorkers < fittingWorkers
          ? "higher limits of the process make room for more workers"
          : "more memory makes room for more workers";
      return compressionLevel > 1 ? "-compression-level 1 is faster" : "more cores make it faster";
    }
    case "disk":
      return "a faster disk for the layers makes it faster";
    case "destination": {
      const isSmaller = compressionLevel >= SMALLER_LEVEL || heldUp.part < MUCH;
      return isSmaller || compression !== "gzip" ? "" : `-compression-level ${SMALLER_LEVEL} sends less`;
    }
    default:
      return "";
  }
}

/** Below this part of the time, nothing in particular held the export up. */
const LEAST_PART = 0.3;

/** The last lines of a log, for people. No line of the reference's begins like them. */
export function summaryLines(summary: Summary, setup: Setup): string[] {
  const { made, reused, readBytes, tarBytes, compressedBytes, sentBytes, appReadyMs, totalMs, heldUp } = summary;
  const compressed = tarBytes === 0 ? "" : `, compressed ${bytesText(tarBytes)} to ${bytesText(compressedBytes)}`;
  const ready = appReadyMs === undefined ? "" : `app image ready after ${durationText(appReadyMs)}, `;
  const hint = advice(summary, setup);
  const held = heldUp !== undefined && heldUp.part >= LEAST_PART ? heldUpText(heldUp) : "";
  const last = [held, hint].filter((text) => text !== "").join("; ");
  return [
    `${made} ${made === 1 ? "layer" : "layers"} made, ${reused} reused; read ${bytesText(readBytes)}${compressed}, sent ${bytesText(sentBytes)}`,
    `${ready}all done after ${durationText(totalMs)}`,
    ...(last === "" ? [] : [last]),
  ].map((line) => `Summary: ${line}`);
}

function heldUpText({ holdup, part }: HeldUp): string {
  const time = `${percentText(part)} of the time`;
  switch (holdup.kind) {
    case "cores":
      return `the cores were the limit ${time}`;
    case "disk":
      return `reading from the disk was the limit ${time}`;
    case "destination":
      return `${holdup.destination} was the limit ${time}`;
    case "answers":
      return `waited for answers ${time}`;
  }
}
