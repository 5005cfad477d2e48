import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { expect, onTestFinished, test } from "vitest";
import { parseCacheMetadata } from "../../src/cnb/lifecycle-metadata.ts";
import {
  type BuildOutput,
  buildpackDirectory,
  writeAnalyzed,
  writeBuildOutput,
} from "../support/build/build-output.ts";
import { DockerApi } from "../support/daemon/docker-api.ts";
import { tempTree } from "../support/files/temp-tree.ts";
import { verifyLayout, writeRunLayout } from "../support/images/layout.ts";
import { pushRunImage } from "../support/images/run-image.ts";
import { diffIdsOf, readCommitted } from "../support/images/tar-store.ts";
import { verifyImage } from "../support/images/verify-image.ts";
import { type ExporterRun, flagsFor, MISSING_SBOMS, readEvents, startExporter } from "../support/process/exporter.ts";
import { RandomKills } from "../support/process/random-kills.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { exportInProcess } from "../support/scenes/export-in-process.ts";

const EXPORTS = Number(process.env.CONCURRENT_EXPORTS ?? 4);
const ROUNDS = Number(process.env.CONCURRENT_ROUNDS ?? 2);
const TIMEOUT_MS = 60_000 + EXPORTS * ROUNDS * 10_000;

/** A round of exports that start together: of one build or several, and with or without killing half of them. */
interface Round {
  readonly isSame: boolean;
  readonly hasKills: boolean;
}

const SHAPES: readonly Round[] = [
  { isSame: false, hasKills: false },
  { isSame: true, hasKills: true },
  { isSame: true, hasKills: false },
  { isSame: false, hasKills: true },
];

const rounds = Array.from({ length: ROUNDS }, (_, i) => SHAPES[i % SHAPES.length] as Round);

function smallBuild(runImage: string): BuildOutput {
  const from = tempTree({ "layer/lib/data": "data\n".repeat(100_000), "app/index.html": "<p>hello</p>\n" });
  const layer = { from: [join(from, "layer")], cache: true };
  const layers = { jdk: { ...layer, launch: true }, maven: { ...layer, launch: false } };
  const output = writeBuildOutput(tempTree(), layers, [join(from, "app")]);
  writeAnalyzed(output, runImage);
  return output;
}

/** The builds of a round by number. Their layers always differ, because paths are part of a layer. */
class Builds {
  readonly #outputs: readonly BuildOutput[];

  constructor(runImage: string) {
    this.#outputs = Array.from({ length: EXPORTS }, () => smallBuild(runImage));
  }

  /** Changes the cached layers. @returns the build of each export */
  next({ isSame }: Round): readonly BuildOutput[] {
    for (const output of this.#outputs)
      for (const layer of ["jdk", "maven"])
        writeFileSync(join(buildpackDirectory(output), layer, "made"), `${layer}\n`, { flag: "a" });
    return this.#outputs.map((output) => (isSame ? this.#outputs[0] : undefined) ?? output);
  }
}

interface Invocation {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs one export by itself, which needs no process of its own. */
function runAlone({ args, env }: Invocation): Promise<ExporterRun> {
  return exportInProcess(args, env);
}

/** A launch cache does not count. */
const NO_CACHE = "Warning: No cached data will be used, no cache specified.\n";

const kills = new RandomKills();
/** Duration of an export beside others. */
let wallMs = 3000;

/** @returns the results of the exports that were not killed, by number */
async function together(
  outputs: readonly BuildOutput[],
  invoke: (output: BuildOutput, i: number) => Invocation,
  { hasKills }: Round,
): Promise<ReadonlyMap<number, ExporterRun>> {
  const running = outputs.map((output, i) => {
    const { args, env } = invoke(output, i);
    return startExporter(args, env);
  });
  await Promise.all(running.map((run, i) => (hasKills && i % 2 === 1 ? kills.kill(run, wallMs) : run.ended)));
  const ended = new Map<number, ExporterRun>();
  for (const [i, run] of running.entries()) if (run.process.signalCode === null) ended.set(i, await run.ended);
  wallMs = Math.max(...[...ended.values()].map((run) => run.wallMs));
  return ended;
}

/** Checks that all exports succeeded, with a warning if another one had the cache. @returns how many had it */
function winners(runs: ReadonlyMap<number, ExporterRun>, what: string, directory: string): number {
  const tooLate = `Warning: Failed to export ${what}: another export uses this cache directory: ${directory}
Give each export a cache directory of its own, or run them one after the other.
`;
  const warnings = [...runs.values()].map(({ exitCode, stderr }) => {
    expect(exitCode, stderr).toBe(0);
    return stderr.replace(MISSING_SBOMS, "").replace(NO_CACHE, "");
  });
  for (const warning of warnings) expect(["", tooLate]).toContain(warning);
  return warnings.filter((warning) => warning === "").length;
}

/** Checks that the cache is a single export's: all that its metadata lists, and nothing else. */
function expectOneCache(directory: string): void {
  const { metadata, tars, flaws } = readCommitted(directory);
  expect(flaws).toEqual([]);
  expect(
    diffIdsOf(parseCacheMetadata(metadata))
      .map((diffId) => `${diffId}.tar`)
      .sort(),
  ).toEqual([...tars].sort());
  expect(tars).toHaveLength(2);
}

async function openRegistry(): Promise<{ readonly host: string; readonly runImage: string }> {
  const registry = await FakeRegistry.start();
  onTestFinished(() => registry[Symbol.asyncDispose]());
  return { host: registry.host, runImage: await pushRunImage(`${registry.host}/run`) };
}

test(
  `${EXPORTS} exports with one cache directory all export their app image and leave the cache of one of them`,
  async () => {
    const { host, runImage } = await openRegistry();
    const builds = new Builds(runImage);
    const cacheDir = tempTree();
    const invoke = (output: BuildOutput, i: number) => {
      const flags = ["-cache-dir", cacheDir, ...(i % 4 < 2 ? [] : ["-parallel"])];
      return { args: [...flagsFor(output), ...flags, `${host}/app-${i}:latest`] };
    };
    for (const round of rounds) {
      const outputs = builds.next(round);
      const runs = await together(outputs, invoke, round);
      const count = winners(runs, "cache", cacheDir);
      for (const i of runs.keys()) await verifyImage(`${host}/app-${i}:latest`);
      expect(readCommitted(cacheDir).flaws).toEqual([]);
      if (!round.hasKills) {
        expect(count).toBeGreaterThan(0);
        expectOneCache(cacheDir);
      }
      const next = await runAlone(invoke(outputs[0] as BuildOutput, 0));
      expect(winners(new Map([[0, next]]), "cache", cacheDir)).toBe(1);
      expectOneCache(cacheDir);
      expect(readdirSync(cacheDir)).toEqual(["committed"]);
    }
  },
  TIMEOUT_MS,
);

test(
  `${EXPORTS} exports with one launch cache all export their app image and leave the cache of one of them`,
  async () => {
    const [api, host] = await DockerApi.start({ apiVersion: "1.41", storage: "classic", knowsBase: true });
    onTestFinished(() => api[Symbol.asyncDispose]());
    const builds = new Builds("run");
    const directory = tempTree();
    const invoke = (output: BuildOutput, i: number) => ({
      args: [...flagsFor(output), "-daemon", "-launch-cache", directory, `app-${i}`],
      env: { DOCKER_HOST: host },
    });
    /** The tars of each loaded image, without those of the run image. */
    const loaded = () =>
      api.loads.map(({ config }) => {
        const [, ...own] = config.rootfs.diff_ids;
        return own.map((diffId) => `${diffId}.tar`).sort();
      });
    for (const round of rounds) {
      const outputs = builds.next(round);
      api.loads.length = 0;
      const runs = await together(outputs, invoke, round);
      const count = winners(runs, "launch cache", directory);
      expect(api.loads.length).toBeGreaterThanOrEqual(runs.size);
      expect(readCommitted(directory).flaws).toEqual([]);
      if (!round.hasKills) {
        expect(count).toBeGreaterThan(0);
        expect(loaded()).toContainEqual([...readCommitted(directory).tars].sort());
      }
      const next = await runAlone(invoke(outputs[0] as BuildOutput, 0));
      expect(winners(new Map([[0, next]]), "launch cache", directory)).toBe(1);
      expect(readCommitted(directory).flaws).toEqual([]);
      expect([...readCommitted(directory).tars].sort()).toEqual(loaded().at(-1));
      expect(readdirSync(directory)).toEqual(["committed"]);
    }
  },
  TIMEOUT_MS,
);

test.for(["one name", "a name each"])(
  `${EXPORTS} exports to layouts in one directory, with %s, all export their app image`,
  { timeout: TIMEOUT_MS },
  async (names) => {
    // All lower case, because the reference refuses other paths in analyzed.toml.
    const root = join(tmpdir(), `tandem-layouts-${randomUUID()}`);
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const builds = new Builds(await writeRunLayout(join(root, "run")));
    const layoutDir = join(root, "layouts");
    const nameOf = (i: number) => (names === "one name" ? "app" : `app-${i}`);
    const pathOf = (i: number) => join(layoutDir, "index.docker.io", "library", nameOf(i), "latest");
    const invoke = (output: BuildOutput, i: number) => ({
      args: [...flagsFor(output), "-layout", "-layout-dir", layoutDir, nameOf(i)],
      env: { CNB_EXPERIMENTAL_MODE: "quiet" },
    });
    for (const round of rounds) {
      const outputs = builds.next(round);
      const runs = await together(outputs, invoke, round);
      for (const { exitCode, stderr } of runs.values()) expect(exitCode, stderr).toBe(0);
      const digests = [...runs.keys()].map((i) => verifyLayout(pathOf(i)).digest);
      expect(new Set(digests).size).toBe(round.isSame || names === "one name" ? 1 : runs.size);
      for (const [i, output] of outputs.entries()) {
        if (round.hasKills) expect(await runAlone(invoke(output, i))).toMatchObject({ exitCode: 0 });
        expect(readdirSync(pathOf(i)).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
      }
    }
  },
);

test(
  `${EXPORTS} concurrent exports of the same files write the same image`,
  async () => {
    const { host, runImage } = await openRegistry();
    const output = smallBuild(runImage);
    const [cacheDir, spool, events] = [tempTree(), tempTree(), join(output.root, "events.jsonl")];
    const shared = ["-cache-dir", cacheDir, "-spool-dir", spool, "-events", events];
    const invoke = (_: BuildOutput, i: number) => ({
      args: [...flagsFor(output), ...shared, `${host}/app-${i}:latest`],
    });
    for (let round = 0; round < ROUNDS; round++) {
      const runs = await together(Array(EXPORTS).fill(output), invoke, { isSame: true, hasKills: false });
      expect(winners(runs, "cache", cacheDir)).toBeGreaterThan(0);
      const images = await Promise.all([...runs.keys()].map((i) => verifyImage(`${host}/app-${i}:latest`)));
      expect(new Set(images.map(({ digest }) => digest)).size).toBe(1);
      expectOneCache(cacheDir);
      const report = parse(readFileSync(join(output.layersDir, "report.toml"), "utf8"));
      expect(report).toMatchObject({ image: { digest: images[0]?.digest } });
      expect(readdirSync(spool)).toEqual([]);
      expect(readdirSync(cacheDir)).toEqual(["committed"]);
      expect(readdirSync(output.layersDir).filter((name) => name.startsWith("."))).toEqual([]);
    }
    const ready = readEvents(events).filter(({ event }) => event === "app-image-ready");
    expect(ready).toHaveLength(EXPORTS * ROUNDS);
  },
  TIMEOUT_MS,
);
