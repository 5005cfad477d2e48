import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Fault, messageOf } from "../faults/fault.ts";
import type { Digest } from "../oci/digest.ts";
import type { GrowingBlob } from "./layer.ts";

/** Bytes that a reader takes from the spool at a time. */
const READ_SIZE = 256 << 10;

interface Finished {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * The compressed bytes of one layer in a file without a name: it is unlinked as soon as it is open, so that nothing is
 * left behind however the process ends, and its space is free again when it is closed.
 */
export class SpooledBlob implements GrowingBlob {
  readonly done: Promise<Finished>;
  readonly #file: FileHandle;
  readonly #finish: (value: Finished) => void;
  readonly #fail: (reason: unknown) => void;
  #available = 0;
  #ended: "growing" | "complete" | "failed" = "growing";
  #readers = 0;
  #isReleased = false;
  #wake = Promise.withResolvers<void>();

  private constructor(file: FileHandle) {
    this.#file = file;
    const { promise, resolve, reject } = Promise.withResolvers<Finished>();
    this.done = promise;
    this.#finish = resolve;
    this.#fail = reject;
    // Whoever uploads the blob awaits `done`; a failure nobody waits for must not end the process.
    promise.catch(() => undefined);
  }

  /** @param directory where the file lives, which needs room for the compressed bytes */
  static async create(directory: string): Promise<SpooledBlob> {
    const path = join(directory, `tandem-spool-${randomUUID()}`);
    try {
      const file = await open(path, "wx+", 0o600);
      await unlink(path);
      return new SpooledBlob(file);
    } catch (error) {
      throw new Fault("EXPORT_LAYER_SPOOL", `failed to create a spool file in ${directory}: ${messageOf(error)}`, {
        cause: error,
        hint: "Give a writable directory with -spool-dir or TMPDIR.",
      });
    }
  }

  /** For the thread that appends. */
  get fileDescriptor(): number {
    return this.#file.fd;
  }

  get available(): number {
    return this.#available;
  }

  /** The spool holds `size` bytes now. */
  grow(size: number): void {
    this.#available = size;
    this.#wakeReaders();
  }

  complete(finished: Finished): void {
    this.#available = finished.size;
    this.#ended = "complete";
    this.#finish(finished);
    this.#wakeReaders();
  }

  fail(reason: unknown): void {
    if (this.#ended !== "growing") return;
    this.#ended = "failed";
    this.#fail(reason);
    this.#wakeReaders();
    void this.#closeIfUnused();
  }

  async reaches(bytes: number): Promise<boolean> {
    while (this.#available <= bytes) {
      if (this.#ended !== "growing") {
        await this.done;
        return false;
      }
      await this.#wake.promise;
    }
    return true;
  }

  async *read(from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#readers += 1;
    try {
      for (let position = from; await this.reaches(position); ) {
        signal?.throwIfAborted();
        const length = Math.min(READ_SIZE, this.#available - position);
        const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, position);
        if (bytesRead === 0)
          throw new Fault("EXPORT_LAYER_SPOOL", "the spool file is shorter than what was written to it");
        yield buffer.subarray(0, bytesRead);
        position += bytesRead;
      }
    } finally {
      this.#readers -= 1;
      await this.#closeIfUnused();
    }
  }

  /** Nobody will start to read any more; the space is freed when the last reader leaves. */
  async release(): Promise<void> {
    this.#isReleased = true;
    await this.#closeIfUnused();
  }

  async #closeIfUnused(): Promise<void> {
    if (this.#isReleased && this.#readers === 0 && this.#ended !== "growing") await this.#file.close();
  }

  #wakeReaders(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}
