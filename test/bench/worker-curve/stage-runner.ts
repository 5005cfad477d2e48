import { createHash, type Hash } from "node:crypto";
import { writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { arenaNeeds, loadCompression } from "../../../src/engine/compression.ts";
import { buildBlock } from "../../../workers/blocks/block.ts";
import { createEncoder } from "../../../workers/blocks/encoder.ts";
import { blockLength, createArena, outputBytes, rawBytes, type TarIndex } from "../../../workers/protocol.ts";
import { encoderWasm } from "../../support/encoder-harness.ts";

/** What each stage of a block took of one thread, in ms. */
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

/** Where a layer's blocks go, in order. */
export interface StageSink {
  readonly tarHash: Hash;
  readonly blobHash: Hash;
  readonly spool: number;
  position: number;
}

export function newSink(spool: number): StageSink {
  return { tarHash: createHash("sha256"), blobHash: createHash("sha256"), spool, position: 0 };
}

/** The engine's stages, to be run in this thread. */
export interface StageRunner {
  /** The part that workers do. */
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
