import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { toByteString } from "../../../src/go/byte-string.ts";
import { blockCount, type TarIndex } from "../../../workers/protocol.ts";
import { scanSource } from "../../../workers/scan/scan.ts";
import type { BenchBuild } from "../make-build.ts";
import { spreadOfNumbers } from "../summary.ts";
import type { BlockCosts, LayerCosts } from "./costs.ts";
import { type BlockStages, newSink, type StageRunner, stageRunner } from "./stage-runner.ts";

/** The median of so many passes counts. */
const PASSES = 3;

/** A layer's stages, and who takes it. */
export interface MeasuredLayer {
  readonly costs: LayerCosts;
  readonly stages: readonly BlockStages[];
}

/**
 * Runs every stage of the engine over the layers of a build, one after the other in this thread, and takes the time of each
 * for each block, while the other cores make blocks too.
 * @param tempDir for what is written
 */
export async function measureStages({ output, images }: BenchBuild, tempDir: string): Promise<MeasuredLayer[]> {
  const directory = mkdtempSync(join(tempDir, "stages-"));
  const spool = openSync(join(directory, "spool"), "w+");
  const paths = [...new Set([...images.app, ...images.cache])];
  const absolute = (path: string): string => toByteString(join(output.root, path));
  const neighbours = startNeighbours(absolute(paths[0] ?? ""));
  try {
    const runner = stageRunner();
    return paths.map((path, order) => {
      const started = performance.now();
      const [index] = scanSource({ kind: "directory", path: absolute(path), uid: 0, gid: 0 });
      const scanMs = performance.now() - started;
      if (index === undefined) throw new Error(`no tar index for ${path}`);
      const stages = measureLayer(runner, index, spool);
      const destinations = (["app", "cache"] as const).filter((image) => images[image].includes(path));
      const priority = destinations.includes("app") ? 0 : 1;
      return { costs: { priority, order, scanMs, blocks: stages.map(blockCosts), destinations }, stages };
    });
  } finally {
    await Promise.all(neighbours.map((neighbour) => neighbour.terminate()));
    closeSync(spool);
    rmSync(directory, { recursive: true });
  }
}

function startNeighbours(path: string): Worker[] {
  const count = availableParallelism() - 1;
  const options = { workerData: { path } };
  return Array.from({ length: count }, () => new Worker(new URL("./busy-neighbour.ts", import.meta.url), options));
}

function measureLayer(runner: StageRunner, index: TarIndex, spool: number): BlockStages[] {
  const passes = Array.from({ length: PASSES }, () => {
    const sink = newSink(spool);
    return Array.from({ length: blockCount(index) }, (_, block) => runner.run(index, block, sink));
  });
  return (passes[0] ?? []).map((first, i) => middleOf(passes.map((pass) => pass[i] ?? first)));
}

function middleOf(passes: readonly BlockStages[]): BlockStages {
  const middle = (stage: keyof BlockStages): number =>
    spreadOfNumbers(passes.map((pass) => pass[stage]))?.median ?? Number.NaN;
  return {
    readMs: middle("readMs"),
    encodeMs: middle("encodeMs"),
    crcMs: middle("crcMs"),
    tarHashMs: middle("tarHashMs"),
    blobHashMs: middle("blobHashMs"),
    writeMs: middle("writeMs"),
    rawBytes: middle("rawBytes"),
    outputBytes: middle("outputBytes"),
  };
}

function blockCosts(stages: BlockStages): BlockCosts {
  return {
    makeMs: stages.readMs + stages.encodeMs + stages.crcMs,
    tarHashMs: stages.tarHashMs,
    blobHashMs: stages.blobHashMs + stages.writeMs,
    outputBytes: stages.outputBytes,
  };
}
