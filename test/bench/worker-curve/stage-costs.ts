import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { arenaNeeds, loadCompression } from "../../../src/engine/compression.ts";
import { toByteString } from "../../../src/go/byte-string.ts";
import type { Priority } from "../../../src/plan/layers.ts";
import { buildBlock } from "../../../workers/blocks/block.ts";
import { createEncoder } from "../../../workers/blocks/encoder.ts";
import {
  blockCount,
  blockLength,
  createArena,
  outputBytes,
  rawBytes,
  type TarIndex,
} from "../../../workers/protocol.ts";
import { scanSource } from "../../../workers/scan/scan.ts";
import { encoderWasm } from "../../support/deflate/encoder-harness.ts";
import type { BenchBuild } from "../run/make-build.ts";
import { medianOf } from "../statistics.ts";

/** Thread time of one block by stage, in ms. */
export interface BlockCosts {
  /** Reading, compressing and CRC-32, on a worker. */
  readonly makeMs: number;
  /** SHA-256 of the tar's bytes. */
  readonly tarHashMs: number;
  /** SHA-256 of the compressed bytes, and writing them to the spool file. */
  readonly blobHashMs: number;
  readonly outputBytes: number;
}

export interface LayerCosts {
  readonly priority: Priority;
  readonly order: number;
  /** On a worker. */
  readonly scanMs: number;
  readonly blocks: readonly BlockCosts[];
  readonly destinations: readonly ("app" | "cache")[];
}

/** Costs that do not depend on the layer, in ms. */
export interface FixedCosts {
  /** An export that starts threads and has hardly any work for them: start, manifests, end. */
  readonly startMs: number;
  /** Latency of a message between threads. */
  readonly messageMs: number;
  readonly mainPerBlockMs: number;
  /** Per MB sent, of the thread that sends: the main thread, or one that uploads. */
  readonly mainPerMBMs: number;
  /** The same over TLS. */
  readonly tlsPerMBMs?: number | undefined;
  /** Of the main thread, per MB that another thread sends. */
  readonly supervisePerMBMs?: number | undefined;
  /** Of the registry, per MB sent. */
  readonly registryPerMBMs: number;
}

/** Passes whose median counts. */
const PASSES = 3;

/** The stages of a layer's blocks, and the costs derived from them. */
export interface MeasuredLayer {
  readonly costs: LayerCosts;
  readonly stages: readonly BlockStages[];
}

/**
 * Runs every stage of the engine over the layers of a build, one after the other in this thread, and measures each
 * stage of each block, while the other cores build blocks too.
 * @param tempDir for the spool file
 */
export async function measureStages({ output, images }: BenchBuild, tempDir: string): Promise<MeasuredLayer[]> {
  const directory = mkdtempSync(join(tempDir, "stages-"));
  const spool = openSync(join(directory, "spool"), "w+");
  const paths = [...new Set([...images.app, ...images.cache])];
  const absolute = (path: string): string => toByteString(join(output.root, path));
  const neighbors = startNeighbors(absolute(paths[0] ?? ""));
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
    await Promise.all(neighbors.map((neighbor) => neighbor.terminate()));
    closeSync(spool);
    rmSync(directory, { recursive: true });
  }
}

function startNeighbors(path: string): Worker[] {
  const count = availableParallelism() - 1;
  const options = { workerData: { path } };
  return Array.from({ length: count }, () => new Worker(new URL("./busy-neighbor.ts", import.meta.url), options));
}

function measureLayer(runner: StageRunner, index: TarIndex, spool: number): BlockStages[] {
  const passes = Array.from({ length: PASSES }, () => {
    const sink = newSink(spool);
    return Array.from({ length: blockCount(index) }, (_, block) => runner.run(index, block, sink));
  });
  return (passes[0] ?? []).map((first, i) => middleOf(passes.map((pass) => pass[i] ?? first)));
}

function middleOf(passes: readonly BlockStages[]): BlockStages {
  const middle = (stage: keyof BlockStages): number => medianOf(passes.map((pass) => pass[stage]));
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

/** Thread time of each stage of a block, in ms. */
interface BlockStages {
  readonly readMs: number;
  readonly encodeMs: number;
  readonly crcMs: number;
  readonly tarHashMs: number;
  readonly blobHashMs: number;
  readonly writeMs: number;
  readonly rawBytes: number;
  readonly outputBytes: number;
}

/** Consumes a layer's blocks in order. */
interface StageSink {
  readonly tarHash: Hash;
  readonly blobHash: Hash;
  readonly spool: number;
  position: number;
}

function newSink(spool: number): StageSink {
  return { tarHash: createHash("sha256"), blobHash: createHash("sha256"), spool, position: 0 };
}

/** Runs the engine's stages in this thread. */
export interface StageRunner {
  /** The worker's part. */
  make(index: TarIndex, block: number): Pick<BlockStages, "readMs" | "encodeMs" | "crcMs" | "rawBytes" | "outputBytes">;
  run(index: TarIndex, block: number, sink: StageSink): BlockStages;
}

export function stageRunner(): StageRunner {
  const compression = loadCompression("gzip", 1, encoderWasm.pathname);
  const arena = createArena(1, 1, arenaNeeds(compression));
  const encoder = createEncoder(arena, compression);
  const make: StageRunner["make"] = (index, block) => {
    const length = blockLength(index, block);
    const raw = rawBytes(arena, 0, length);
    const readMs = timed(() => buildBlock(index, block, raw));
    let size = 0;
    const encodeMs = timed(() => {
      size = encoder.encode(0, length);
    });
    const crcMs = timed(() => crc32(raw));
    return { readMs, encodeMs, crcMs, rawBytes: length, outputBytes: size };
  };
  const run: StageRunner["run"] = (index, block, sink) => {
    const made = make(index, block);
    const output = outputBytes(arena, 0, made.outputBytes);
    const tarHashMs = timed(() => sink.tarHash.update(rawBytes(arena, 0, made.rawBytes)));
    const blobHashMs = timed(() => sink.blobHash.update(output));
    const writeMs = timed(() => writeSync(sink.spool, output, 0, output.length, sink.position));
    sink.position += output.length;
    return { ...made, tarHashMs, blobHashMs, writeMs };
  };
  return { make, run };
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

const ECHO = `const { parentPort } = require("node:worker_threads"); parentPort.on("message", (m) => parentPort.postMessage(m));`;
const ROUNDS = 3000;

/** Latency of a message to a waiting thread, in ms: half of a round trip, the median. */
export async function measureMessage(): Promise<number> {
  const worker = new Worker(ECHO, { eval: true });
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const started = performance.now();
    const answer = once(worker, "message");
    worker.postMessage(i);
    await answer;
    times.push((performance.now() - started) / 2);
  }
  await worker.terminate();
  return times.sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
}
