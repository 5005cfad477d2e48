import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { Fault } from "../../faults/fault.ts";
import { pathFault } from "../../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath } from "../../oci/byte-string.ts";
import type { Digest } from "../../oci/digest.ts";

/** Bytes that are read at a time; more of them wait longer for the garbage collector. */
const READ_SIZE = 1 << 16;

/** O_NONBLOCK: a FIFO in the place of a blob must not be waited for; it does nothing to a regular file. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A blob of an OCI layout, read once from its start to its end and held against its descriptor. */
export class BlobFile {
  readonly #path: ByteString;
  readonly #expected: { readonly digest: Digest; readonly size: number };
  readonly #file: number;
  readonly #hash = createHash("sha256");
  #position = 0;
  #digest: string | undefined;

  /** @throws Fault when it is not a regular file of the right size */
  constructor(path: ByteString, expected: { readonly digest: Digest; readonly size: number }) {
    this.#path = path;
    this.#expected = expected;
    this.#file = this.#open();
    const stats = fstatSync(this.#file);
    if (stats.isFile() && stats.size === expected.size) return;
    this.close();
    throw this.#fault(stats.isFile() ? `has ${stats.size} bytes instead of ${expected.size}` : "is not a regular file");
  }

  /** The first bytes, up to `count`, without going on. */
  peek(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, this.#read(bytes, 0));
  }

  /** What was not read yet. */
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

  /** Reads what is left. @throws Fault when the digest of the whole file is not the expected one */
  verify(): void {
    for (const _ of this.chunks());
    this.#digest ??= `sha256:${this.#hash.digest("hex")}`;
    const digest = this.#digest;
    if (digest !== this.#expected.digest) throw this.#fault(`has the digest ${digest}`);
  }

  close(): void {
    closeSync(this.#file);
  }

  #open(): number {
    try {
      return openSync(fsPath(this.#path), FLAGS);
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
    return new Fault("EXPORT_LAYER_BLOB", `blob ${this.#expected.digest} is corrupt: the file ${what}`, {
      hint: "Run the extender again; something changed or cut what it wrote.",
    });
  }
}
