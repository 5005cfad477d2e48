import { createWriteStream, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { engineAssets } from "../../src/assets.ts";
import { loadCompression } from "../../src/engine/compression.ts";
import { LayerStore } from "../../src/engine/layer-store.ts";
import { WorkerPool } from "../../src/engine/pool.ts";
import { type DiffID, type Digest, digestOf } from "../../src/oci/digest.ts";
import { APP_PRIORITY } from "../../src/plan/layers.ts";
import { type ArchiveEntry, packArchive } from "./archive.ts";

/** The result is compressed once and pulled often. */
const LEVEL = 6;

export interface CompressedTar {
  readonly path: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  /** Of the uncompressed tar. */
  readonly diffId: DiffID;
}

/** Uses the exporter's own engine: the same bytes on every machine. */
export class TarCompressor {
  readonly #directory: string;
  readonly #pool: WorkerPool;
  readonly #store: LayerStore;
  #made = 0;

  /** @param directory for the results; the caller removes it */
  constructor(directory: string) {
    const { entries, deflate } = engineAssets();
    this.#directory = directory;
    this.#pool = new WorkerPool(entries, availableParallelism(), loadCompression("gzip", LEVEL, ...deflate));
    this.#store = new LayerStore(this.#pool, directory);
  }

  /** @param prefix see {@link packArchive} */
  async compress(entries: readonly ArchiveEntry[], prefix: string): Promise<CompressedTar> {
    const order = this.#made++;
    const [tar, path] = [join(this.#directory, `${order}.tar`), join(this.#directory, `${order}.tar.gz`)];
    await pipeline(packArchive(entries, prefix), createWriteStream(tar));
    const bytes = readFileSync(tar);
    const layer = this.#store.layer(
      {
        key: tar,
        id: `tar-${order}`,
        source: { kind: "extension", index: order, path: tar, digest: digestOf(bytes) },
        priority: APP_PRIORITY,
        order,
        expected: [],
        products: { blob: true, tarStream: false, tarFiles: [] },
        consumers: 1,
      },
      new AbortController().signal,
    );
    const blob = await layer.blob();
    await pipeline(blob.read(0), createWriteStream(path));
    const result = { path, ...(await blob.done), diffId: await layer.diffId };
    layer.release();
    return result;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
