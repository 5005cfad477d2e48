import type { Summary } from "./summarize.ts";

/** How the export was set up, as far as flags could change it. */
export interface Setup {
  readonly workers: number;
  /** The most that memory allows. */
  readonly fittingWorkers: number;
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
  const { workers, fittingWorkers, cores, compression, compressionLevel, parallel } = setup;
  const behindMs = totalMs - (appReadyMs ?? totalMs);
  if (!parallel && behindMs > LATE_CACHE * totalMs) return "-parallel makes the cache beside the app image";
  switch (heldUp?.holdup.kind) {
    case "cores":
      if (workers < Math.min(cores, fittingWorkers))
        return `-workers ${Math.min(cores, fittingWorkers)} uses more cores`;
      if (workers < cores) return "more memory makes room for more workers";
      return compressionLevel > 1 ? "-compression-level 1 is faster" : "more cores make it faster";
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
