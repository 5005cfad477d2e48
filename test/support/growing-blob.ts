import { createHash } from "node:crypto";
import type { GrowingBlob } from "../../src/engine/layer.ts";
import { type Digest, digestOf } from "../../src/oci/digest.ts";

/** A blob in memory that a test extends; it records its reads. */
export class TestBlob implements GrowingBlob {
  readonly done: Promise<{ readonly digest: Digest; readonly size: number }>;
  readonly reads: number[] = [];
  readonly #settle: PromiseWithResolvers<{ readonly digest: Digest; readonly size: number }>;
  readonly #bytes: Buffer;
  readonly #chunkSize: number;
  #available = 0;
  #failure: unknown;
  #isComplete = false;
  #wake = Promise.withResolvers<void>();

  constructor(bytes: Buffer, chunkSize = 64 << 10) {
    this.#bytes = bytes;
    this.#chunkSize = chunkSize;
    this.#settle = Promise.withResolvers();
    this.done = this.#settle.promise;
    this.done.catch(() => undefined);
  }

  static complete(bytes: Buffer): TestBlob {
    const blob = new TestBlob(bytes);
    blob.complete();
    return blob;
  }

  get digest(): Digest {
    return digestOf(this.#bytes);
  }

  get available(): number {
    return this.#available;
  }

  growTo(size: number): void {
    this.#available = size;
    this.#wakeReaders();
  }

  complete(): void {
    this.#available = this.#bytes.length;
    this.#isComplete = true;
    const digest = `sha256:${createHash("sha256").update(this.#bytes).digest("hex")}` as Digest;
    this.#settle.resolve({ digest, size: this.#bytes.length });
    this.#wakeReaders();
  }

  fail(reason: unknown): void {
    this.#failure = reason;
    this.#isComplete = true;
    this.#settle.reject(reason);
    this.#wakeReaders();
  }

  async reaches(bytes: number, signal?: AbortSignal): Promise<boolean> {
    while (this.#available <= bytes) {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isComplete) return false;
      await this.#wake.promise;
    }
    return true;
  }

  async *read(from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.reads.push(from);
    signal?.addEventListener("abort", () => this.#wakeReaders());
    for (let position = from; await this.reaches(position, signal); ) {
      signal?.throwIfAborted();
      const end = Math.min(this.#available, position + this.#chunkSize);
      yield this.#bytes.subarray(position, end);
      position = end;
    }
  }

  #wakeReaders(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

/** Copies each chunk, because readers reuse their memory. */
export async function copyOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
