import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import type { ResourceLimits } from "node:worker_threads";

/**
 * Sizes in MiB. The young generation is V8's smallest: what lives longer than a message is rare here. Without the limit of
 * the old generation, whose value nobody reaches, V8 maps its built-in code once more for each thread: 2 MB that count as resident.
 * The code range is address space only.
 */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 2047, codeRangeSizeMb: 64 };

/**
 * Options of Piscina that keep out of our threads what a process was started with: `--import`, `NODE_OPTIONS`, `PISCINA_*`; and that
 * bound their heaps.
 */
export interface OwnThreadOptions {
  readonly execArgv: string[];
  readonly env: Record<string, string>;
  readonly resourceLimits: ResourceLimits;
}

/** The process's cache of compiled code is the one thing that its threads share: it saves each 4 ms. */
export function ownThreadOptions(): OwnThreadOptions {
  const directory = getCompileCacheDir();
  const env = { NODE_COMPILE_CACHE: dirname(directory ?? ""), NODE_COMPILE_CACHE_PORTABLE: "1" };
  return { execArgv: [], env: directory === undefined ? {} : env, resourceLimits: THREAD_LIMITS };
}
