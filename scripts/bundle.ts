import { isBuiltin } from "node:module";
import { join, sep } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { ROOT } from "./script.ts";

/** Piscina starts its threads from the file `worker.js` beside its own code. */
export const THREAD_ENTRIES = {
  compressor: join(ROOT, "workers/compressor.ts"),
  digester: join(ROOT, "workers/digester.ts"),
  uploader: join(ROOT, "workers/uploader.ts"),
  worker: join(ROOT, "node_modules/piscina/dist/worker.js"),
};

/**
 * Flags for scripts/compile-modules.ts: a fixed seed for hashes, and a heap so large that V8 never collects garbage.
 */
export const COMPILE_FLAGS = ["--random-seed=1", "--min-semi-space-size=64", "--max-semi-space-size=64"];

/** Absolute, because a virtual module has no directory to resolve names from. */
const undiciFile = (name: string) => JSON.stringify(join(ROOT, "node_modules/undici/lib", name));

/**
 * Replaces undici's index, which also loads HTTP/2, caches, mocks and interceptors: two thirds of its code. It would
 * also replace the dispatcher of the host's `fetch`.
 */
const UNDICI = `
  const Dispatcher = require(${undiciFile("dispatcher/dispatcher.js")});
  Object.assign(Dispatcher.prototype, { request: require(${undiciFile("api/api-request.js")}) });
  exports.Client = require(${undiciFile("dispatcher/client.js")});
  exports.Pool = require(${undiciFile("dispatcher/pool.js")});
  exports.errors = require(${undiciFile("core/errors.js")});
`;

/** Unused parts of undici (HTTP/2, the browser APIs and the experimental parser) and of pino (threads that write). */
const UNUSED_PARTS: readonly (readonly [path: RegExp, replacement: string])[] = [
  [/[\\/]undici[\\/]lib[\\/](?:web[\\/].*|dispatcher[\\/]client-h2)\.js$/, ""],
  [/[\\/]undici[\\/]lib[\\/]dispatcher[\\/]parser-h1\.js$/, "exports.getMiloEnabled = () => false;"],
  [/[\\/]pino[\\/]lib[\\/]transport\.js$/, ""],
];

const onlyUsedParts: Plugin = {
  name: "only-used-parts",
  resolveId: (id) => (id === "undici" ? "\0undici" : undefined),
  load(id) {
    if (id === "\0undici") return UNDICI;
    return UNUSED_PARTS.find(([path]) => path.test(id))?.[1];
  },
};

const LATE = "\0late:";

const GLOBALS = "\0globals";

/** Lets Piscina's thread code use the global `performance`, because node:perf_hooks takes 0.4 MB of each thread. */
const withoutTimes: Plugin = {
  name: "without-times",
  resolveId: (id, importer) =>
    id === "node:perf_hooks" && /[\\/]piscina[\\/]dist[\\/]worker\.js$/.test(importer ?? "") ? GLOBALS : undefined,
  load: (id) => (id === GLOBALS ? "module.exports = globalThis;" : undefined),
};

/** Node's modules that are cheap, or that every export uses at once. */
const EARLY = new Set(["buffer", "crypto", "events", "fs", "os", "path", "path/posix", "url", "util"]);

/** Rarely used exports of late modules that bundled packages read as soon as they load. */
const LATER: readonly (readonly [path: RegExp, text: string, replacement: string])[] = [
  [/[\\/]undici[\\/]lib[\\/]core[\\/]util\.js$/, "const { IncomingMessage } = require('node:http')", ""],
  [/[\\/]undici[\\/]lib[\\/]core[\\/]util\.js$/, "=== IncomingMessage", ".name === 'IncomingMessage'"],
  [
    /[\\/]undici[\\/]lib[\\/]dispatcher[\\/]client\.js$/,
    "http.maxHeaderSize &&\n  Number.isInteger(http.maxHeaderSize) &&\n  http.maxHeaderSize > 0",
    "true",
  ],
  [/[\\/]pino[\\/]lib[\\/]tools\.js$/, "const { isMainThread } =", "const threads ="],
  [/[\\/]pino[\\/]lib[\\/]tools\.js$/, "!opts.sync && isMainThread", "!opts.sync && threads.isMainThread"],
];

/**
 * Loads Node's other modules when one of their exports is first used: all together take a tenth of a small export,
 * which needs few of them. A module that a bundled package takes apart or extends at once loads at once.
 */
const lateModules: Plugin = {
  name: "late-modules",
  resolveId(id) {
    if (!isBuiltin(id)) return;
    const name = id.replace(/^node:/, "");
    // An object cannot stand for a module that is a class, such as `node:stream`: packages extend it and use
    // `instanceof`.
    const isClass = typeof process.getBuiltinModule(id) === "function" && name !== "assert";
    return isClass || EARLY.has(name) ? undefined : `${LATE}${name}`;
  },
  load(id) {
    if (!id.startsWith(LATE)) return;
    const name = id.slice(LATE.length);
    const builtin = `node:${name}`;
    return `
      let loaded;
      const late = () => (loaded ??= process.getBuiltinModule(${JSON.stringify(builtin)}));
      ${name === "assert" ? "module.exports = (value, message) => value || late()(value, message);" : ""}
      for (const key of ${JSON.stringify(Object.keys(process.getBuiltinModule(builtin) ?? {}))})
        Object.defineProperty(module.exports, key, {
          enumerable: true,
          get: () => late()[key],
          set: (value) => { late()[key] = value; },
        });
    `;
  },
  transform(code, id) {
    return LATER.filter(([path]) => path.test(id)).reduce((edited, [, text, replacement]) => {
      if (edited.split(text).length !== 2) throw new Error(`${id} does not have "${text}" once`);
      return edited.replace(text, replacement);
    }, code);
  },
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
    plugins: [onlyUsedParts, withoutTimes, lateModules],
    // An optional native addon of piscina for thread priorities, which are not used.
    external: ["@napi-rs/nice"],
  });
  const { output } = await made.write({
    dir: directory,
    format: "cjs",
    // Node.js prints the source line of an uncaught error, which without line breaks has thousands of characters.
    minify: { compress: true, mangle: true, codegen: { removeWhitespace: false } },
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
