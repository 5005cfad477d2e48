import * as fs from "node:fs";
import { promisify } from "node:util";
import { type Arena, blockCount, type DigestDone, type SpoolFile } from "../../workers/protocol.ts";
import { Condition } from "../concurrency/condition.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import { type GrowingFile, readGrowing } from "../files/growing-file.ts";
import type { Digest } from "../oci/digest.ts";
import type { GrowingBlob, OpenSpool } from "./layer.ts";
import { closeSpoolFile, openSpoolFile, type SpoolRegion } from "./spool-files.ts";

const unlink = promisify(fs.unlink);
const rename = promisify(fs.rename);
const sync = promisify(fs.fsync);

interface Finished {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * The compressed bytes of one layer, in an unnamed file that vanishes with the process or, for a layout, in a file that
 * becomes the blob.
 */
export class SpooledBlob implements GrowingBlob, GrowingFile {
  readonly done: Promise<Finished>;
  readonly file: SpoolFile;
  readonly offset: number;
  readonly #close: () => Promise<void>;
  readonly #result = Promise.withResolvers<Finished>();
  #available = 0;
  #ended: "growing" | "complete" | "failed" = "growing";
  #readers = 0;
  #isReleased = false;
  #isClosed = false;
  readonly #changed = new Condition();
  #path: string | undefined;

  private constructor({ file, offset, release }: SpoolRegion, path: string | undefined) {
    this.file = file;
    this.offset = offset;
    this.#close = release;
    this.#path = path;
    this.done = awaitedLater(this.#result.promise);
  }

  static in(region: SpoolRegion): SpooledBlob {
    return new SpooledBlob(region, undefined);
  }

  static async named(directory: string): Promise<SpooledBlob> {
    const { file, path } = await openSpoolFile(directory, "EXPORT_LAYOUT_WRITE");
    return new SpooledBlob({ file, offset: 0, release: () => closeSpoolFile(file.fileDescriptor) }, path);
  }

  get fileDescriptor(): number {
    return this.file.fileDescriptor;
  }

  get available(): number {
    return this.#available;
  }

  grow(size: number): void {
    // Progress messages may arrive after complete(), which is final.
    if (this.#ended !== "growing") return;
    this.#available = size;
    this.#changed.notify();
  }

  complete(finished: Finished): void {
    this.#available = finished.size;
    this.#ended = "complete";
    this.#result.resolve(finished);
    this.#changed.notify();
    void this.#closeIfUnused();
  }

  fail(reason: unknown): void {
    if (this.#ended !== "growing") return;
    this.#ended = "failed";
    this.#result.reject(reason);
    this.#changed.notify();
    void this.#closeIfUnused();
  }

  async reaches(bytes: number, signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      signal?.throwIfAborted();
      // Part of a failed blob is useless.
      if (this.#ended === "failed") await this.done;
      if (this.#available > bytes) return true;
      if (this.#ended === "complete") return false;
      await this.#changed.next;
    }
  }

  openFile(): OpenSpool {
    // A closed descriptor's number may already refer to another file. Readers of a failed blob get its failure first.
    if (this.#isClosed && this.#ended !== "failed")
      throw new Fault("EXPORT_INTERNAL", "a spool file was read after its release");
    this.#readers += 1;
    const close = async (): Promise<void> => {
      this.#readers -= 1;
      await this.#closeIfUnused();
    };
    return { fileDescriptor: this.fileDescriptor, offset: this.offset, close };
  }

  async *read(from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const onAbort = () => this.#changed.notify();
    signal?.addEventListener("abort", onAbort);
    const file = this.openFile();
    try {
      yield* readGrowing(this, from, signal);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      await file.close();
    }
  }

  async moveTo(path: string): Promise<boolean> {
    await this.done;
    const old = this.#path;
    if (old === undefined) return false;
    this.#path = undefined;
    await sync(this.fileDescriptor);
    await rename(old, path);
    return true;
  }

  async release(): Promise<void> {
    this.#isReleased = true;
    await this.#closeIfUnused();
  }

  async #closeIfUnused(): Promise<void> {
    const isUnused =
      this.#readers === 0 && (this.#ended === "failed" || (this.#ended === "complete" && this.#isReleased));
    if (!isUnused || this.#isClosed) return;
    this.#isClosed = true;
    await this.#close();
    if (this.#path !== undefined) await unlink(this.#path).catch(() => undefined);
  }
}

function blobOf({ sha256, size }: DigestDone): Finished {
  return { digest: `sha256:${sha256}` as Digest, size };
}

const FRAME_BYTES = 1024;

export function maxBlobSize({ needs }: Pick<Arena, "needs">, tarSize: number): number {
  return blockCount({ tarSize }) * needs.outputCapacity + FRAME_BYTES;
}

/**
 * A blob whose spool is opened when its pass begins, so that queued layers hold no descriptor, or that takes over the
 * complete spool of an early layer. Passes a later failure on to the blob's readers.
 */
export class PendingSpool {
  readonly spool: Promise<SpooledBlob>;
  readonly #opened = Promise.withResolvers<SpooledBlob>();
  #spool: SpooledBlob | undefined;

  constructor() {
    this.spool = awaitedLater(this.#opened.promise);
  }

  async open(opening: Promise<SpooledBlob>): Promise<SpooledBlob> {
    this.#spool = await opening;
    this.#opened.resolve(this.#spool);
    return this.#spool;
  }

  complete(done: DigestDone): void {
    this.#spool?.complete(blobOf(done));
  }

  takeOver(spool: SpooledBlob): void {
    this.#spool = spool;
    this.#opened.resolve(spool);
  }

  fail(reason: unknown): void {
    this.#opened.reject(reason);
    this.#spool?.fail(reason);
  }
}
