import { dirname, join, sep } from "node:path";
import { type Plugin, rolldown } from "rolldown";

const root = dirname(import.meta.dirname);

/** What threads load, by name. Piscina starts them from the file `worker.js` beside its own code. */
export const THREAD_ENTRIES = {
  compressor: join(root, "workers/compressor.ts"),
  digester: join(root, "workers/digester.ts"),
  worker: join(root, "node_modules/piscina/dist/worker.js"),
};

const ABSENT = "\0absent";

/** Requests name their dispatcher here. undici would make its own the dispatcher of the host's `fetch`. */
const NO_GLOBAL_DISPATCHER =
  "exports.getGlobalDispatcher = exports.setGlobalDispatcher = () => {}; exports.installedExports = [];";

/**
 * Leaves the browser's interfaces (fetch, WebSocket, caches, ...) and the mocks out of undici, whose index loads them all: they are never used
 * here, and loading them is a tenth of the time that the command takes to start. Leaves its global dispatcher out, too.
 */
const undiciForServers: Plugin = {
  name: "undici-for-servers",
  resolveId: (id, importer) =>
    /[\\/]undici[\\/]index\.js$/.test(importer ?? "") && /^\.\/lib\/(web|mock)\//.test(id) ? ABSENT : undefined,
  load(id) {
    if (/[\\/]undici[\\/]lib[\\/]global\.js$/.test(id)) return NO_GLOBAL_DISPATCHER;
    // The index makes one object of all these itself.
    return id === ABSENT ? "exports.CacheStorage = class {};" : undefined;
  },
};

const GLOBALS = "\0globals";

/** Piscina's thread code would time tasks with the global `performance` of this module, which takes 0.4 MB of each thread that loads it. */
const withoutTimes: Plugin = {
  name: "without-times",
  resolveId: (id, importer) =>
    id === "node:perf_hooks" && /[\\/]piscina[\\/]dist[\\/]worker\.js$/.test(importer ?? "") ? GLOBALS : undefined,
  load: (id) => (id === GLOBALS ? "module.exports = globalThis;" : undefined),
};

/**
 * Bundles entries that are loaded into one process, with what they share in chunks beside them.
 * @param entries file by name
 * @param isWhole each entry, of which there is one, takes all that it needs into its own file
 * @returns paths of all files that are in the bundles
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
    // An optional native addon of piscina for thread priorities, which we do not use.
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

/** Directories of the packages that files of a bundle come from, each once and in order. @param files as {@link bundle} returns them */
export function packageDirectories(files: readonly string[]): readonly string[] {
  const marker = `${sep}node_modules${sep}`;
  const directories = files.flatMap((path) => {
    const start = path.lastIndexOf(marker) + marker.length;
    const [scope = "", name = ""] = path.slice(start).split(sep);
    return path.includes(marker) ? [path.slice(0, start) + (scope.startsWith("@") ? join(scope, name) : scope)] : [];
  });
  return [...new Set(directories)].sort();
}
