import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Fault, messageOf } from "../../faults/fault.ts";
import type { BlobFile } from "./blob-file.ts";

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Bytes that a decompressor gives at a time. Node allocates them anew each time, and with larger ones, which are a little
 * faster, waits longer before it frees them: 128 KiB cost 30 MB more memory.
 */
const CHUNK_SIZE = 1 << 15;

/**
 * The bytes of a blob before compression: gzip, zstd or none, whatever its media type says
 * (docs/compatibility.md#extension-blobs).
 */
export async function* decompressed(blob: BlobFile): AsyncGenerator<Buffer> {
  const start = blob.peek(ZSTD_MAGIC.length);
  if (start.equals(ZSTD_MAGIC)) yield* through(blob, "zstd", createZstdDecompress({ chunkSize: CHUNK_SIZE }));
  else if (start.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC))
    yield* through(blob, "gzip", createGunzip({ chunkSize: CHUNK_SIZE }));
  else yield* blob.chunks();
}

/** Nothing is left running when the generator ends, whoever ends it. */
async function* through(blob: BlobFile, format: string, decompressor: Transform): AsyncGenerator<Buffer> {
  const running = pipeline(Readable.from(blob.chunks(), { objectMode: false }), decompressor);
  // Reading the decompressor fails with the same.
  running.catch(() => undefined);
  try {
    yield* decompressor;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("EXPORT_LAYER_BLOB", `corrupt or truncated ${format} data: ${messageOf(error)}`, { cause: error });
  } finally {
    await running.catch(() => undefined);
  }
}
