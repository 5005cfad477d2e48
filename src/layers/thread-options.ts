import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";

/** Options of Piscina that keep out of our threads what a process was started with: `--import`, `NODE_OPTIONS`, `PISCINA_*`. */
export interface OwnThreadOptions {
  readonly execArgv: string[];
  readonly env: Record<string, string>;
}

/** The process's cache of compiled code is the one thing that its threads share: it saves each 4 ms. */
export function ownThreadOptions(): OwnThreadOptions {
  const directory = getCompileCacheDir();
  const env = { NODE_COMPILE_CACHE: dirname(directory ?? ""), NODE_COMPILE_CACHE_PORTABLE: "1" };
  return { execArgv: [], env: directory === undefined ? {} : env };
}
