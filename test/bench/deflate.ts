import { parseArgs } from "node:util";
import { constants, crc32, deflateRawSync, inflateRawSync, zstdCompressSync } from "node:zlib";
import { buildEncoder } from "../../scripts/build-encoder.ts";
import { maxBlockBytes } from "../../src/layers/deflate/wasm-encoder.ts";
import { type CorpusName, readCorpus } from "../support/corpus.ts";
import { createEncoderHarness } from "../support/encoder-harness.ts";

/**
 * Speed and ratio of the encoder on this machine's own files, against zlib and zstd in the same run: one thread, blocks of 1 MiB,
 * the median of the rounds. Time is the thread's CPU time, which other load disturbs least. MB = 10^6 bytes.
 */
const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "100" },
    rounds: { type: "string", default: "5" },
    levels: { type: "string", default: "1" },
    inputs: { type: "string", default: "libraries,text,compressed" },
    only: { type: "boolean", default: false },
  },
});

await buildEncoder();
const harness = createEncoderHarness();

interface Contender {
  readonly name: string;
  readonly compress: (block: Buffer) => number;
}

const zlib = (level: number): Contender => ({
  name: `zlib level ${level}, memLevel 9`,
  compress: (block) => deflateRawSync(block, { level, memLevel: 9, chunkSize: maxBlockBytes }).length,
});
const wasm = (level: number): Contender => ({
  name: `encoder level ${level}`,
  compress: (block) => harness.encode(block, level).length,
});
const zstd: Contender = {
  name: "zstd level 1",
  compress: (block) =>
    zstdCompressSync(block, { chunkSize: maxBlockBytes, params: { [constants.ZSTD_c_compressionLevel]: 1 } }).length,
};
const levels = values.levels.split(",").map(Number);
const contenders = values.only ? levels.map(wasm) : [...levels.map(wasm), zlib(1), zlib(6), zstd];

for (const name of values.inputs.split(",") as CorpusName[]) {
  const data = readCorpus(name, Number(values.megabytes) * 1e6);
  const blocks: Buffer[] = [];
  for (let at = 0; at < data.length; at += maxBlockBytes) blocks.push(data.subarray(at, at + maxBlockBytes));
  for (const level of levels) verify(blocks, level);

  const speeds = new Map<string, number[]>(contenders.map((contender) => [contender.name, []]));
  const sizes = new Map<string, number>();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { name, compress } of contenders) {
      let size = 0;
      const before = process.threadCpuUsage();
      for (const block of blocks) size += compress(block);
      const { user, system } = process.threadCpuUsage(before);
      speeds.get(name)?.push(data.length / (user + system));
      sizes.set(name, size);
    }
  }
  console.log(`\n${name}: ${(data.length / 1e6).toFixed(0)} MB, crc32 ${crc32(data).toString(16)}`);
  const reference = median(speeds.get("zlib level 1, memLevel 9") ?? [Number.NaN]);
  for (const { name } of contenders) {
    const speed = median(speeds.get(name) ?? []);
    const ratio = ((sizes.get(name) ?? 0) / data.length).toFixed(4);
    console.log(
      `  ${name.padEnd(24)} ${speed.toFixed(0).padStart(5)} MB/s  ${(speed / reference).toFixed(2).padStart(5)} x  ratio ${ratio}`,
    );
  }
}

function verify(blocks: readonly Buffer[], level: number): void {
  for (const block of blocks) {
    const back = inflateRawSync(Buffer.concat([harness.encode(block, level), Buffer.from([3, 0])]));
    if (!back.equals(block)) throw new Error(`a block does not inflate to itself at level ${level}`);
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
