import { createHash } from "node:crypto";
import { closeSync, fstatSync, ftruncateSync, readSync } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { Fault, messageOf } from "../../src/errors/fault.ts";
import { type ByteString, fromByteString } from "../../src/go/byte-string.ts";
import { pathFault } from "../../src/go/errno.ts";
import { RECORD_SIZE, TRAILER_SIZE } from "../../src/go/tar-header.ts";
import type { Digest } from "../../src/oci/digest.ts";
import { openToRead } from "../blocks/file-contents.ts";
import { writeSpool } from "../blocks/spool.ts";
import type { LayoutBlob, SpoolFile } from "../protocol.ts";
import { ByteReader } from "./byte-reader.ts";
import { encodeHeader } from "./encode.ts";
import { type ContentsSink, TarReader } from "./reader.ts";

const READ_SIZE = 1 << 16;

/**
 * A blob of an OCI layout. `verify` reads the rest of it. Only its digest is verified: like the reference, this ignores
 * the size in the manifest.
 */
class BlobFile {
  readonly size: number;
  readonly #path: ByteString;
  readonly #expected: Digest;
  readonly #file: number;
  readonly #hash = createHash("sha256");
  #position = 0;
  #digest: string | undefined;

  constructor({ path, digest }: LayoutBlob) {
    this.#path = path;
    this.#expected = digest;
    this.#file = this.#open();
    const stats = fstatSync(this.#file);
    this.size = stats.size;
    if (stats.isFile()) return;
    this.close();
    throw this.#fault("is not a regular file");
  }

  peek(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, this.#read(bytes, 0));
  }

  *chunks(): Generator<Buffer> {
    for (;;) {
      const chunk = Buffer.allocUnsafeSlow(READ_SIZE);
      const read = this.#read(chunk, this.#position);
      if (read === 0) return;
      this.#position += read;
      this.#hash.update(chunk.subarray(0, read));
      yield chunk.subarray(0, read);
    }
  }

  verify(): void {
    for (const _ of this.chunks());
    this.#digest ??= `sha256:${this.#hash.digest("hex")}`;
    const digest = this.#digest;
    if (digest !== this.#expected) throw this.#fault(`has the digest ${digest}`);
  }

  close(): void {
    closeSync(this.#file);
  }

  #open(): number {
    try {
      return openToRead(this.#path, false);
    } catch (error) {
      throw pathFault("EXPORT_LAYER_BLOB", "open", fromByteString(this.#path), error);
    }
  }

  #read(chunk: Buffer, position: number): number {
    try {
      return readSync(this.#file, chunk, 0, chunk.length, position);
    } catch (error) {
      throw pathFault("EXPORT_LAYER_BLOB", "read", fromByteString(this.#path), error);
    }
  }

  #fault(what: string): Fault {
    return new Fault("EXPORT_LAYER_BLOB", `blob ${this.#expected} is corrupt: the file ${what}`);
  }
}

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Bytes that a decompressor returns at a time. Node allocates each chunk anew and frees larger ones later: 128 KiB
 * are slightly faster and take 30 MB more memory.
 */
const CHUNK_SIZE = 1 << 15;

/**
 * The bytes of a blob before compression: gzip, zstd or none, by its first bytes and not its media type
 * (docs/compatibility.md#extension-blobs).
 */
async function* decompressed(blob: BlobFile): AsyncGenerator<Buffer> {
  const start = blob.peek(ZSTD_MAGIC.length);
  if (start.equals(ZSTD_MAGIC)) yield* through(blob, "zstd", createZstdDecompress({ chunkSize: CHUNK_SIZE }));
  else if (start.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC))
    yield* through(blob, "gzip", createGunzip({ chunkSize: CHUNK_SIZE }));
  else yield* blob.chunks();
}

async function* through(blob: BlobFile, format: string, decompressor: Transform): AsyncGenerator<Buffer> {
  const running = pipeline(Readable.from(blob.chunks(), { objectMode: false }), decompressor);
  // Reading the decompressor fails with the same error.
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

const ALWAYS_ALLOWED = 2 ** 30;
/** Text shrinks to a tenth, sparse disk images to a hundredth; DEFLATE to 1/1032 at best, zstd to far less. */
const MAX_RATIO = 200;

class ExpansionLimit {
  readonly #blobSize: number;
  readonly #maxBytes: number;

  constructor(blobSize: number) {
    this.#blobSize = blobSize;
    this.#maxBytes = Math.max(ALWAYS_ALLOWED, MAX_RATIO * blobSize);
  }

  check(bytes: number): void {
    if (bytes <= this.#maxBytes) return;
    throw new Fault(
      "EXPORT_LAYER_EXPANSION",
      `decompression bomb: ${this.#blobSize} bytes unpack to more than ${this.#maxBytes}`,
    );
  }
}

const BUFFER_SIZE = 1 << 18;

class SpooledTarWriter implements ContentsSink {
  readonly #spool: SpoolFile;
  readonly #limit: ExpansionLimit;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  #buffered = 0;
  #size = 0;

  constructor(spool: SpoolFile, limit: ExpansionLimit) {
    this.#spool = spool;
    this.#limit = limit;
  }

  write(bytes: Buffer): void {
    this.#limit.check(this.#size + bytes.length);
    if (this.#buffered + bytes.length > BUFFER_SIZE) this.#flush();
    if (bytes.length > BUFFER_SIZE) writeSpool(this.#spool, bytes, this.#size, "a layer's tar");
    else this.#buffered += bytes.copy(this.#buffer, this.#buffered);
    this.#size += bytes.length;
  }

  writeZeros(count: number): void {
    this.#limit.check(this.#size + count);
    this.#flush();
    this.#size += count;
  }

  pad(): void {
    const padding = -this.#size & (RECORD_SIZE - 1);
    if (padding > 0) this.write(Buffer.alloc(padding));
  }

  end(): number {
    this.writeZeros(TRAILER_SIZE);
    ftruncateSync(this.#spool.fileDescriptor, this.#size);
    return this.#size;
  }

  #flush(): void {
    writeSpool(this.#spool, this.#buffer.subarray(0, this.#buffered), this.#size - this.#buffered, "a layer's tar");
    this.#buffered = 0;
  }
}

/**
 * Writes the tar of an extension's blob into a spool file, with the headers of this exporter's own tars where they are
 * normalized: mtime, and no user and group names (docs/compatibility.md#extension-tars).
 *
 * Any thread can then read any part of the tar; the compressed blob can be read only from start to end. Keeps nothing
 * of an entry after writing it. The file takes the size of the tar on disk until the layer is compressed
 * (docs/decisions/0006-no-uncompressed-tar.md).
 * @param spool an empty file
 * @returns the tar's length in bytes
 * @throws Fault if the blob does not match its digest, is not a tar, or is a decompression bomb
 */
export async function copyTar(source: LayoutBlob, spool: SpoolFile): Promise<number> {
  const blob = new BlobFile(source);
  try {
    const limit = new ExpansionLimit(blob.size);
    const bytes = new ByteReader(limited(decompressed(blob), limit));
    const tarSize = await copyEntries(bytes, new SpooledTarWriter(spool, limit));
    blob.verify();
    return tarSize;
  } catch (error) {
    // A corrupt blob explains any error in its tar.
    blob.verify();
    throw error;
  } finally {
    blob.close();
  }
}

async function copyEntries(bytes: ByteReader, to: SpooledTarWriter): Promise<number> {
  try {
    const tar = new TarReader(bytes);
    for (let entry = await tar.next(); entry !== undefined; entry = await tar.next()) {
      to.write(encodeHeader(entry));
      await tar.copyContents(to);
      to.pad();
    }
    await bytes.drain();
    return to.end();
  } finally {
    await bytes.close();
  }
}

async function* limited(chunks: AsyncIterable<Buffer>, limit: ExpansionLimit): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    limit.check(size);
    yield chunk;
  }
}
