import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../../scripts/build.ts";
import { ROOT, runScript } from "../../scripts/script.ts";
import type { ExportEvent } from "../../src/observe/events.ts";
import { type BuildOutput, writeAnalyzed, writeBuildOutput } from "../support/build/build-output.ts";
import { pushRunImage } from "../support/images/run-image.ts";
import { verifyImage } from "../support/images/verify-image.ts";
import { type ExporterRun, flagsFor, MISSING_SBOMS, readEvents, runExporter } from "../support/process/exporter.ts";
import { dockerRegistryProblem, startRegistry } from "../support/registry/registry-kinds.ts";
import { table } from "./table.ts";

const USAGE = `npm run demo

Exports a build like RFC 0125's Java case (one large layer that both images take) to two registries, first in series and
then in parallel, and shows what was done. The "build" is made of what this project has installed. Takes no arguments.`;

const modules = join(ROOT, "node_modules");
const installed = (...names: readonly string[]) => names.map((name) => join(modules, name));

function makeBuild(root: string): BuildOutput {
  return writeBuildOutput(
    root,
    {
      jdk: { from: installed(`node-linux-${process.arch}`), launch: true, cache: true },
      libraries: { from: installed("@rolldown", "vite", "zod"), launch: true, cache: false },
      maven: { from: installed("@biomejs", "@typescript"), launch: false, cache: true },
    },
    installed("binaryen", "assemblyscript"),
  );
}

interface Export {
  readonly mode: "series" | "parallel";
  readonly run: ExporterRun;
  readonly events: readonly ExportEvent[];
  readonly app: string;
  readonly cache: string;
}

async function exportOnce(
  mode: Export["mode"],
  output: BuildOutput,
  registries: readonly [string, string],
): Promise<Export> {
  const [app, cache] = [`${registries[0]}/demo/app-${mode}:latest`, `${registries[1]}/demo/cache-${mode}:latest`];
  const events = join(output.root, `events-${mode}.jsonl`);
  const flags = [...flagsFor(output), "-cache-image", cache, "-events", events];
  const run = await runExporter([...flags, ...(mode === "parallel" ? ["-parallel"] : []), app]);
  console.log(run.stdout.trimEnd().replace(/^/gm, `  ${mode} | `));
  console.log(run.stderr.replace(MISSING_SBOMS, "").trimEnd());
  if (run.exitCode !== 0) throw new Error(`the exporter ended with exit code ${run.exitCode}`);
  return { mode, run, events: readEvents(events), app, cache };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
const seconds = (ms: number | undefined): string => (ms === undefined ? "-" : `${(ms / 1000).toFixed(2)} s`);

function showLayers({ mode, events }: Export): void {
  const uploads = events.filter((event) => event.event === "upload-done");
  const rows = events.flatMap((event) =>
    event.event === "layer"
      ? [
          [
            event.id,
            megabytes(event.tarSize),
            event.size === undefined ? "-" : megabytes(event.size),
            [...new Set(uploads.flatMap(({ layer, image }) => (layer === event.id ? [image] : [])))].join(" + "),
            ...[event.reads, event.hashes, event.compressions, event.uploads].map(String),
          ],
        ]
      : [],
  );
  console.log(`Layers, exported in ${mode}:`);
  console.log(table(["layer", "tar MB", "blob MB", "image", "read", "hashed", "compressed", "uploaded"], rows));
}

function showTimes(exports: readonly Export[]): void {
  const rows = exports.map(({ mode, run, events }) => {
    const at = (name: ExportEvent["event"]) =>
      events.flatMap((event) => (event.event === name && "elapsedMs" in event ? [event.elapsedMs] : []))[0];
    return [mode, seconds(at("app-image-ready")), seconds(at("cache-ready")), seconds(run.wallMs)];
  });
  console.log("\nTimes (the total includes starting the command):");
  console.log(table(["export", "app image ready", "cache ready", "total"], rows));
}

async function main(args: readonly string[]): Promise<void> {
  parseArgs({ args, options: {} });
  await build();
  const root = mkdtempSync(join(tmpdir(), "tandem-demo-"));
  const problem = dockerRegistryProblem();
  const registries = [await startRegistry(), await startRegistry()] as const;
  try {
    console.log(
      `Two registries on ${registries.map(({ host }) => host).join(" and ")}: ${problem ?? "docker-registry"}`,
    );
    console.log("Making a build's output ...");
    const output = makeBuild(root);
    const hosts = [registries[0].host, registries[1].host] as const;
    writeAnalyzed(output, await pushRunImage(`${hosts[0]}/demo/run`));
    const series = await exportOnce("series", output, hosts);
    const parallel = await exportOnce("parallel", output, hosts);
    showLayers(parallel);
    showTimes([series, parallel]);
    console.log("\nPulling the images back and computing every digest and diffID again:");
    for (const image of [series.app, series.cache, parallel.app, parallel.cache]) {
      const { digest, layers } = await verifyImage(image);
      console.log(`  ${image}@${digest}: ${layers.length} layers, verified`);
    }
  } finally {
    for (const registry of registries) await registry[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  }
}

await runScript(USAGE, main);
