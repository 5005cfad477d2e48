import { dirname, join, sep } from "node:path";
import { type Plugin, rolldown } from "rolldown";

const root = dirname(import.meta.dirname);

/** Piscina starts its threads from the file `worker.js` beside its own code. */
export const THREAD_ENTRIES = {
  compressor: join(root, "workers/compressor.ts"),
  digester: join(root, "workers/digester.ts"),
  worker: join(root, "node_modules/piscina/dist/worker.js"),
};

const ABSENT = "\0absent";

/** Requests name their dispatcher. undici would make its own the dispatcher of the host's `fetch`. */
const NO_GLOBAL_DISPATCHER =
  "exports.getGlobalDispatcher = exports.setGlobalDispatcher = () => {}; exports.installedExports = [];";

/**
 * Removes the browser APIs (fetch, WebSocket, caches, ...) and the mocks from undici, whose index loads them all: they
 * are unused, and loading them takes a tenth of the command's start time. Removes its global dispatcher, too.
 */
const undiciForServers: Plugin = {
  name: "undici-for-servers",
  resolveId: (id, importer) =>
    /[\\/]undici[\\/]index\.js$/.test(importer ?? "") && /^\.\/lib\/(web|mock)\//.test(id) ? ABSENT : undefined,
  load(id) {
    if (/[\\/]undici[\\/]lib[\\/]global\.js$/.test(id)) return NO_GLOBAL_DISPATCHER;
    // The index itself combines all of these in one object.
    return id === ABSENT ? "exports.CacheStorage = class {};" : undefined;
  },
};

const GLOBALS = "\0globals";

/** Lets Piscina's thread code use the global `performance`, because node:perf_hooks takes 0.4 MB of each thread. */
const withoutTimes: Plugin = {
  name: "without-times",
  resolveId: (id, importer) =>
    id === "node:perf_hooks" && /[\\/]piscina[\\/]dist[\\/]worker\.js$/.test(importer ?? "") ? GLOBALS : undefined,
  load: (id) => (id === GLOBALS ? "module.exports = globalThis;" : undefined),
};

/**
 * Bundles entries of one process, with shared code in chunks beside them.
 * @param entries file by name
 * @param isWhole puts everything into the only entry's file
 * @returns paths of all sources in the bundles
 */
export async function bundle(
  entries: Readonly<Record<string, string>>,
  directory: string,
  isWhole = false,
): Promise<readonly string[]> {
  const made = await rolldown({
    input: { ...entries },
    platform: "node",
    plugins: [undiciForServers, withoutTimes],
    // An optional native addon of piscina for thread priorities, which are not used.
    external: ["@napi-rs/nice"],
  });
  const { output } = await made.write({
    dir: directory,
    format: "cjs",
    minify: true,
    codeSplitting: !isWhole,
    entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : `${name}.cjs`),
    chunkFileNames: "chunk-[name].cjs",
  });
  await made.close();
  return output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
}

/** Directories of the packages in a bundle, without duplicates and in order. @param files result of {@link bundle} */
export function packageDirectories(files: readonly string[]): readonly string[] {
  const marker = `${sep}node_modules${sep}`;
  const directories = files.flatMap((path) => {
    const start = path.lastIndexOf(marker) + marker.length;
    const [scope = "", name = ""] = path.slice(start).split(sep);
    return path.includes(marker) ? [path.slice(0, start) + (scope.startsWith("@") ? join(scope, name) : scope)] : [];
  });
  return [...new Set(directories)].sort();
}
