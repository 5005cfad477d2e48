import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { createArena, outputBytes, rawBytes } from "../../../src/layers/arena.ts";
import { blockCount, blockLength, buildBlock } from "../../../src/layers/block.ts";
import { arenaNeeds, createEncoder, loadCompression } from "../../../src/layers/block-encoder.ts";
import { scanSource } from "../../../src/layers/scan.ts";
import type { TarIndex } from "../../../src/layers/tar-index.ts";
import { toByteString } from "../../../src/oci/byte-string.ts";
import { encoderWasm } from "../../support/encoder-harness.ts";
import type { BenchBuild } from "../make-build.ts";
import type { BlockCosts, LayerCosts } from "./costs.ts";

/** The least time of so many passes counts: what else the machine does makes a stage slower, never faster. */
const PASSES = 3;

/** What each stage of each block of a layer took of one thread, in ms. */
export interface BlockStages {
  readonly readMs: number;
  readonly encodeMs: number;
  readonly crcMs: number;
  readonly tarHashMs: number;
  readonly blobHashMs: number;
  readonly writeMs: number;
  readonly rawBytes: number;
  readonly outputBytes: number;
}

/** A layer's stages, and who takes it. */
export interface MeasuredLayer {
  readonly costs: LayerCosts;
  readonly stages: readonly BlockStages[];
}

/**
 * Runs every stage of the engine over the layers of a build, one after the other in this thread, and takes the time of each
 * for each block.
 * @param tempDir for what is written
 */
export function measureStages({ output, images }: BenchBuild, tempDir: string): MeasuredLayer[] {
  const run = stageRunner();
  const directory = mkdtempSync(join(tempDir, "stages-"));
  const spool = openSync(join(directory, "spool"), "w+");
  const owner = { uid: 0, gid: 0 };
  try {
    return [...new Set([...images.app, ...images.cache])].map((path, order) => {
      const source = { kind: "directory", path: toByteString(join(output.root, path)), ...owner } as const;
      const started = performance.now();
      const [index] = scanSource(source);
      const scanMs = performance.now() - started;
      if (index === undefined) throw new Error(`no tar index for ${path}`);
      const passes = Array.from({ length: PASSES }, () => run(index, spool));
      const stages = (passes[0] ?? []).map((block, i) =>
        leastOf(
          block,
          passes.map((pass) => pass[i] ?? block),
        ),
      );
      const destinations = (["app", "cache"] as const).filter((image) => images[image].includes(path));
      const priority = destinations.includes("app") ? 0 : 1;
      return { costs: { priority, order, scanMs, blocks: stages.map(blockCosts), destinations }, stages };
    });
  } finally {
    closeSync(spool);
    rmSync(directory, { recursive: true });
  }
}

function blockCosts(stages: BlockStages): BlockCosts {
  return {
    makeMs: stages.readMs + stages.encodeMs + stages.crcMs,
    tarHashMs: stages.tarHashMs,
    blobHashMs: stages.blobHashMs + stages.writeMs,
    outputBytes: stages.outputBytes,
  };
}

function leastOf(first: BlockStages, passes: readonly BlockStages[]): BlockStages {
  const least = (stage: keyof BlockStages): number => Math.min(...passes.map((pass) => pass[stage]));
  return {
    ...first,
    readMs: least("readMs"),
    encodeMs: least("encodeMs"),
    crcMs: least("crcMs"),
    tarHashMs: least("tarHashMs"),
    blobHashMs: least("blobHashMs"),
    writeMs: least("writeMs"),
  };
}

function stageRunner(): (index: TarIndex, spool: number) => BlockStages[] {
  const compression = loadCompression("gzip", 1, encoderWasm.pathname);
  const arena = createArena(1, 1, arenaNeeds(compression));
  const encoder = createEncoder(arena, compression);
  return (index, spool) => {
    const [tarHash, blobHash] = [createHash("sha256"), createHash("sha256")];
    let position = 0;
    return Array.from({ length: blockCount(index) }, (_, block) => {
      const length = blockLength(index, block);
      const raw = rawBytes(arena, 0, length);
      const readMs = timed(() => buildBlock(index, block, raw));
      let size = 0;
      const encodeMs = timed(() => {
        size = encoder.encode(0, length);
      });
      const output = outputBytes(arena, 0, size);
      const crcMs = timed(() => crc32(raw));
      const tarHashMs = timed(() => tarHash.update(raw));
      const blobHashMs = timed(() => blobHash.update(output));
      const writeMs = timed(() => writeSync(spool, output, 0, size, position));
      position += size;
      return { readMs, encodeMs, crcMs, tarHashMs, blobHashMs, writeMs, rawBytes: length, outputBytes: size };
    });
  };
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}
