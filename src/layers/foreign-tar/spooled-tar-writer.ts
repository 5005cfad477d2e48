import { ftruncateSync } from "node:fs";
import { RECORD_SIZE, TRAILER_SIZE } from "../tar-fields.ts";
import { writeSpool } from "../write-spool.ts";
import type { ExpansionLimit } from "./expansion-limit.ts";
import type { ContentsSink } from "./tar-reader.ts";

/** Small writes, which headers are, are collected up to this many bytes. */
const BUFFER_SIZE = 1 << 18;

/** Writes a tar into a spool file. Zeros are not written where the file system has them already. */
export class SpooledTarWriter implements ContentsSink {
  readonly #spool: number;
  readonly #limit: ExpansionLimit;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_SIZE);
  #buffered = 0;
  #size = 0;

  /** @param spool an empty file */
  constructor(spool: number, limit: ExpansionLimit) {
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

  /** Ends an entry: fills its last record with zeros. */
  pad(): void {
    const padding = -this.#size & (RECORD_SIZE - 1);
    if (padding > 0) this.write(Buffer.alloc(padding));
  }

  /** Ends the tar. Returns its length in bytes. */
  end(): number {
    this.writeZeros(TRAILER_SIZE);
    ftruncateSync(this.#spool, this.#size);
    return this.#size;
  }

  #flush(): void {
    writeSpool(this.#spool, this.#buffer.subarray(0, this.#buffered), this.#size - this.#buffered, "a layer's tar");
    this.#buffered = 0;
  }
}
