import { parseArgs } from "node:util";
import { constants, crc32, deflateRawSync, inflateRawSync, zstdCompressSync } from "node:zlib";
import { buildEncoders } from "../../scripts/build-encoder.ts";
import { runScript } from "../../scripts/script.ts";
import { BLOCK_SIZE } from "../../workers/protocol.ts";
import { CORPUS_NAMES, corpusName, readCorpus } from "../support/deflate/corpus.ts";
import { createEncoderHarness, type EncoderHarness } from "../support/deflate/encoder-harness.ts";
import { positiveNumber, wholeNumber } from "../support/numeric-options.ts";
import { medianOf } from "./statistics.ts";

const USAGE = `node scripts/with-runtime.mjs test/bench/deflate.ts [--megabytes 100] [--rounds 5] [--levels 1,...] [--inputs libraries,text,compressed] [--only]

Speed and ratio of the encoder on this machine's files, compared with zlib and zstd: one thread, blocks of 1 MiB, contenders in
turns on each block. Times are sums over the blocks of the median over the rounds. 1 MB is 10^6 bytes.
--only: measures the encoder alone.`;

interface Contender {
  readonly name: string;
  readonly compress: (block: Buffer) => number;
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      megabytes: { type: "string", default: "100" },
      rounds: { type: "string", default: "5" },
      levels: { type: "string", default: "1" },
      inputs: { type: "string", default: CORPUS_NAMES.join(",") },
      only: { type: "boolean", default: false },
    },
  });
  const [megabytes, rounds] = [positiveNumber("megabytes", values.megabytes), wholeNumber("rounds", values.rounds)];
  const levels = values.levels.split(",").map((level) => wholeNumber("levels", level));
  const inputs = values.inputs.split(",").map(corpusName);
  await buildEncoders();
  const harness = createEncoderHarness();
  const zlib = (level: number): Contender => ({
    name: `zlib level ${level}, memLevel 9`,
    compress: (block) => deflateRawSync(block, { level, memLevel: 9, chunkSize: BLOCK_SIZE }).length,
  });
  const wasm = (level: number): Contender => ({
    name: `encoder level ${level}`,
    compress: (block) => harness.encode(block, level).length,
  });
  const zstd: Contender = {
    name: "zstd level 1",
    compress: (block) =>
      zstdCompressSync(block, { chunkSize: BLOCK_SIZE, params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length,
  };
  const contenders = values.only ? levels.map(wasm) : [...levels.map(wasm), zlib(1), zlib(6), zstd];

  for (const name of inputs) {
    const data = readCorpus(name, megabytes * 1e6);
    const blocks: Buffer[] = [];
    for (let at = 0; at < data.length; at += BLOCK_SIZE) blocks.push(data.subarray(at, at + BLOCK_SIZE));
    for (const level of levels) verify(harness, blocks, level);

    const results = contenders.map((contender) => ({ ...contender, size: 0, times: blocks.map((): number[] => []) }));
    for (let round = 0; round < rounds; round++) {
      for (const [index, block] of blocks.entries()) {
        for (const result of results) {
          const before = performance.now();
          const size = result.compress(block);
          result.times[index]?.push(performance.now() - before);
          if (round === 0) result.size += size;
        }
      }
    }
    console.log(`\n${name}: ${(data.length / 1e6).toFixed(0)} MB, crc32 ${crc32(data).toString(16)}`);
    const speedOf = ({ times }: { times: number[][] }): number =>
      data.length / 1e3 / times.reduce((total, ofBlock) => total + medianOf(ofBlock), 0);
    const reference = results.find((result) => result.name === zlib(1).name);
    for (const result of results) {
      const speed = speedOf(result);
      const times = reference === undefined ? "" : `${(speed / speedOf(reference)).toFixed(2).padStart(6)} x`;
      const ratio = (result.size / data.length).toFixed(4);
      console.log(`  ${result.name.padEnd(24)} ${speed.toFixed(0).padStart(5)} MB/s ${times}  ratio ${ratio}`);
    }
  }
}

function verify(harness: EncoderHarness, blocks: readonly Buffer[], level: number): void {
  for (const block of blocks) {
    const back = inflateRawSync(Buffer.concat([harness.encode(block, level), Buffer.from([3, 0])]));
    if (!back.equals(block)) throw new Error(`a block does not inflate to itself at level ${level}`);
  }
}

await runScript(USAGE, main);
