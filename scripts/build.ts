import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");

/**
 * Bundles the command and the thread entries into dist/. All entries are built together, because piscina keeps a thread's
 * state in a module that its worker and our entries must share.
 */
const bundle = await rolldown({
  input: {
    cli: join(root, "src/cli.ts"),
    compressor: join(root, "workers/compressor.ts"),
    digester: join(root, "workers/digester.ts"),
    // Piscina starts threads from the file `worker.js` beside its own code.
    worker: createRequire(import.meta.url).resolve("piscina/dist/worker.js"),
  },
  platform: "node",
  // An optional native addon of piscina for thread priorities, which we do not use.
  external: ["@napi-rs/nice"],
});
await bundle.write({
  dir: dist,
  format: "cjs",
  minify: true,
  entryFileNames: ({ name }) => (name === "worker" ? "worker.js" : `${name}.cjs`),
  chunkFileNames: "[name]-[hash].cjs",
});
await bundle.close();
// The bundles are CommonJS in a package of ES modules.
writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
