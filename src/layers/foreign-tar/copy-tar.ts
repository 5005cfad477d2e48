import type { ByteString } from "../../oci/byte-string.ts";
import type { Digest } from "../../oci/digest.ts";
import { BlobFile } from "./blob-file.ts";
import { ByteReader } from "./byte-reader.ts";
import { decompressed } from "./decompressed.ts";
import { encodeHeader } from "./encode-header.ts";
import { ExpansionLimit } from "./expansion-limit.ts";
import { SpooledTarWriter } from "./spooled-tar-writer.ts";
import { TarReader } from "./tar-reader.ts";

/** A layer's blob in an OCI layout. */
export interface ForeignBlob {
  readonly path: ByteString;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * Writes the tar of a blob made elsewhere into a spool file, with the headers of this exporter's own tars where they
 * are normalized: mtime, and no user and group names (docs/compatibility.md#extension-tars).
 *
 * The whole tar is written, so that any thread can then read any part of it, as with tars built from an index; a
 * compressed blob can be read only from start to end. Memory stays flat: nothing is kept of an entry once it is
 * written. The file occupies the size of the tar on disk until the layer is compressed
 * (docs/decisions/0006-no-uncompressed-tar.md).
 * @param spool descriptor of an empty file
 * @returns the tar's length in bytes
 * @throws Fault if the blob does not match its descriptor, is not a tar, or is a decompression bomb
 */
export async function copyTar(source: ForeignBlob, spool: number): Promise<number> {
  const blob = new BlobFile(source.path, source);
  try {
    const limit = new ExpansionLimit(source.size);
    const bytes = new ByteReader(limited(decompressed(blob), limit));
    const tarSize = await copyEntries(bytes, new SpooledTarWriter(spool, limit));
    blob.verify();
    return tarSize;
  } catch (error) {
    // A blob that changed explains whatever is wrong with the tar in it.
    blob.verify();
    throw error;
  } finally {
    blob.close();
  }
}

/** Copies all entries, and reads what is behind the end of the tar. */
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
