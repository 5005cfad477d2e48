import { closeSync, openSync, readSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { PickedFile } from "./file-pools.ts";

const SAMPLE_BYTES = 32 << 10;
const MOST_SAMPLES = 8;

/** About how many bytes gzip -1 would leave of a file, from samples spread evenly over it. */
export function compressedSize({ path, size }: PickedFile): number {
  const samples = Math.min(MOST_SAMPLES, Math.ceil(size / SAMPLE_BYTES));
  const sample = Buffer.allocUnsafe(SAMPLE_BYTES);
  const file = openSync(path, "r");
  let [read, left] = [0, 0];
  try {
    for (let i = 0; i < samples; i++) {
      const at = Math.floor((i * Math.max(0, size - SAMPLE_BYTES)) / Math.max(1, samples - 1));
      const length = readSync(file, sample, 0, SAMPLE_BYTES, at);
      read += length;
      left += gzipSync(sample.subarray(0, length), { level: 1 }).length;
    }
  } finally {
    closeSync(file);
  }
  return read === 0 ? 0 : (size * left) / read;
}
