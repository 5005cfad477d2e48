import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { engineAssets } from "../../../src/assets.ts";
import { loadCompression } from "../../../src/engine/compression.ts";
import { WorkerPool } from "../../../src/engine/pool.ts";
import type { DiffID } from "../../../src/oci/digest.ts";
import type { LayerPlan, LayerSource, LocalSource } from "../../../src/plan/layers.ts";
import { BLOCK_SIZE, type Compression } from "../../../workers/protocol.ts";
import { scanSource } from "../../../workers/scan/scan.ts";
import { tempTree } from "../files/temp-tree.ts";
import { wholeTar } from "../images/tar-entries.ts";
import { seededBytes } from "../random.ts";

export const NEVER = new AbortController().signal;

export const OTHER_DIFF_ID = `sha256:${"1".repeat(64)}` as DiffID;

export function directorySource(path: string): LocalSource {
  return { kind: "directory", path, uid: 1000, gid: 1000 };
}

export function planOf(source: LayerSource, rest: Partial<LayerPlan> = {}): LayerPlan {
  const products = { blob: true, tarStream: false, tarFiles: [] };
  return { key: "key", id: "bp:layer", source, priority: 0, order: 0, expected: [], products, consumers: 1, ...rest };
}

/** Compressible text, incompressible noise, and small files: `blocks` MiB in total. */
export function filledDirectory(blocks: number): string {
  const root = tempTree();
  const noise = seededBytes((blocks * BLOCK_SIZE) / 2, blocks);
  for (let i = 0; i < blocks; i++) {
    const half = Buffer.alloc(BLOCK_SIZE / 2, `line ${i} of some text\n`);
    const rest = noise.subarray(i * half.length, (i + 1) * half.length);
    writeFileSync(join(root, `large-${i}`), Buffer.concat([half, rest]));
    writeFileSync(join(root, `small-${i}`), String(i));
  }
  return root;
}

export function expectedTar(source: LocalSource, index = 0): Buffer {
  const scanned = scanSource(source)[index];
  if (scanned === undefined) throw new Error("no index");
  return wholeTar(scanned);
}

export function diffIdOf(tar: Buffer): DiffID {
  return `sha256:${createHash("sha256").update(tar).digest("hex")}` as DiffID;
}

/** Level 1. The global setup builds the encoder. */
export function fastestGzip(): Compression {
  return loadCompression("gzip", 1, ...engineAssets().deflate);
}

export function newPool(workers: number, compression: Compression = fastestGzip()): WorkerPool {
  return new WorkerPool(engineAssets().entries, workers, compression);
}
