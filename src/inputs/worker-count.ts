import type { Logger } from "../flow/logger.ts";
import type { AvailableMemory, Machine } from "./machine.ts";

const MIB = 1 << 20;

/*
 * Resident memory as measured, and some more (docs/operations.md#memory): of an export of 30,000 files without its workers, and of a
 * worker among many files whose contents do not compress.
 */
const EXPORT_BYTES = 192 * MIB;
export const WORKER_BYTES = 14 * MIB;

/** Hashing is sequential, so that more than some 16 workers make nothing faster; this many still fit into the 4 GiB of a WebAssembly memory. */
export const MAX_WORKERS = 512;

/** One worker a core, as far as memory allows. */
export function defaultWorkers({ cores, memory }: Machine): number {
  return Math.min(cores, fittingWorkers(memory));
}

/**
 * Bounds a number of workers by the available memory. A bounded default is worth a line of the debug log, a bounded number that was
 * given by hand a warning.
 * @param wanted at most {@link MAX_WORKERS}
 */
export function boundWorkers(wanted: number, { cores, memory }: Machine, logger: Logger): number {
  const most = fittingWorkers(memory);
  if (memory === undefined || most > wanted) return wanted;
  const why = `the available memory of ${Math.floor(memory.bytes / MIB)} MiB (${memory.path})`;
  if (wanted > most) logger.warn(`-workers ${wanted} is too much for ${why}: using ${most}`);
  else if (wanted < cores) logger.debug(`Using ${wanted} workers on ${cores} cores because of ${why}`);
  return most;
}

/** How many workers have room in the memory, at least 1: an export without that much memory still tries. */
export function fittingWorkers(memory: AvailableMemory | undefined): number {
  if (memory === undefined) return MAX_WORKERS;
  const fitting = Math.floor((memory.bytes - EXPORT_BYTES) / WORKER_BYTES);
  return Math.max(1, Math.min(MAX_WORKERS, fitting));
}
