import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Plugin, rolldown } from "rolldown";
import { buildEncoder } from "./build-encoder.ts";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");

const ABSENT = "\0absent";

/**
 * Leaves the browser's interfaces (fetch, WebSocket, caches, ...) and the mocks out of undici, whose index loads them all: they are never used
 * here, and loading them is a tenth of the time that the command takes to start.
 */
const undiciForServers: Plugin = {
  name: "undici-for-servers",
  resolveId: (id, importer) =>
    /[\\/]undici[\\/]index\.js$/.test(importer ?? "") && /^\.\/lib\/(web|mock)\//.test(id) ? ABSENT : undefined,
  // The index makes one object of all these itself.
  load: (id) => (id === ABSENT ? "exports.CacheStorage = class {};" : undefined),
};

/**
 * Bundles the command and the thread entries into dist/, and compiles the DEFLATE encoder there. All entries are built
 * together, because piscina keeps a thread's state in a module that its worker and our entries must share.
 */
export async function build(): Promise<void> {
  const bundle = await rolldown({
    input: {
      cli: join(root, "src/cli.ts"),
      tandem: join(root, "src/tandem.ts"),
      compressor: join(root, "workers/compressor.ts"),
      digester: join(root, "workers/digester.ts"),
      // Piscina starts threads from the file `worker.js` beside its own code.
      worker: join(root, "node_modules/piscina/dist/worker.js"),
    },
    platform: "node",
    plugins: [undiciForServers],
    // An optional native addon of piscina for thread priorities, which we do not use.
    external: ["@napi-rs/nice"],
  });
  await bundle.write({
    dir: dist,
    format: "cjs",
    minify: true,
    entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : `${name}.cjs`),
    chunkFileNames: "chunk-[name].cjs",
  });
  await bundle.close();
  await buildEncoder();
  // The bundles are CommonJS in a package of ES modules.
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  warmUp();
}

/** Starts the command once, so that it leaves its compiled code behind: half of the time that starting takes. */
function warmUp(): void {
  rmSync(join(dist, "compiled"), { recursive: true, force: true });
  const { status, stderr } = spawnSync(join(root, "bin/exporter"), ["-version"], {
    env: { PATH: process.env.PATH, CNB_PLATFORM_API: "0.13" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the built command does not start:\n${stderr}`);
}

if (import.meta.main) await build();
