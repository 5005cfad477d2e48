import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PriorityLimiter } from "../concurrency/limiter.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import { pathFault } from "../go/errno.ts";
import type { Priority } from "../plan/layers.ts";
import type { FinishedTar } from "./layer.ts";
import type { BlockConsumer } from "./pass.ts";

const open = promisify(fs.open);
const close = promisify(fs.close);
const write = promisify(fs.write);
const sync = promisify(fs.fsync);
const unlink = promisify(fs.unlink);
const statFileSystem = promisify(fs.statfs);

const MODE = 0o666;

/**
 * Limits concurrent disk work. Node has four threads for files, which uploads also need to read their spools: two may
 * write, and one may sync, which takes as long as the disk does.
 */
export interface DiskLimiters {
  readonly files: PriorityLimiter;
  readonly writes: PriorityLimiter;
  readonly syncs: PriorityLimiter;
}

const MIN_FILES = 4;
const MAX_FILES = 64;

export function newDiskLimiters(files = MAX_FILES): DiskLimiters {
  const places = Math.max(MIN_FILES, Math.min(MAX_FILES, files));
  return { files: new PriorityLimiter(places), writes: new PriorityLimiter(2), syncs: new PriorityLimiter(1) };
}

/**
 * Writes a layer's tar to a file. Node's own threads write each block straight from its slot, so that neither hashing
 * nor compression waits for the disk. `done` settles when every byte is on the disk; after a rejection there is no
 * file. A failure here costs only this file: the layer is built without it.
 */
export class TarFile implements BlockConsumer {
  readonly isPaced = false;
  readonly done: Promise<FinishedTar>;
  readonly #directory: string;
  readonly #path: string;
  readonly #limiters: DiskLimiters;
  readonly #rank: { readonly priority: Priority };
  readonly #result = Promise.withResolvers<FinishedTar>();
  readonly #writing = new Set<Promise<void>>();
  #file: number | undefined;
  #size = 0;
  #isEnded = false;

  constructor(directory: string, limiters: DiskLimiters, priority: Priority) {
    this.#directory = directory;
    this.#path = join(directory, `${randomUUID()}.tar.part`);
    this.#limiters = limiters;
    this.#rank = { priority };
    this.done = awaitedLater(this.#result.promise);
  }

  /**
   * Creates the file if the disk has room for `tarSize` bytes: a full disk also fails the app image, whose spools may
   * be on it.
   * @returns false after a failure, which affects only this file
   */
  async open(tarSize: number): Promise<boolean> {
    try {
      await checkRoom(this.#directory, tarSize);
      this.#file = await open(this.#path, "wx", MODE);
      return true;
    } catch (error) {
      this.fail(pathFault("EXPORT_LAYER_TAR", "open", this.#path, error));
      return false;
    }
  }

  async consume(bytes: Buffer, position: number): Promise<void> {
    const file = this.#file;
    if (this.#isEnded || file === undefined) return;
    const writing = this.#limiters.writes
      .run(this.#rank, () => this.#write(file, bytes, position))
      .catch((error: unknown) => {
        this.fail(error);
      });
    this.#writing.add(writing);
    await writing;
    this.#writing.delete(writing);
  }

  complete(): void {
    const file = this.#file;
    if (this.#isEnded || file === undefined) return;
    this.#isEnded = true;
    this.#finish(file).then(this.#result.resolve, async (error: unknown) => {
      await this.#remove();
      this.#result.reject(pathFault("EXPORT_LAYER_TAR", "fsync", this.#path, error));
    });
  }

  fail(reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const reject = (): void => this.#result.reject(reason);
    this.#abandon().then(reject, reject);
  }

  async #write(file: number, bytes: Buffer, position: number): Promise<void> {
    if (this.#isEnded) return;
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await write(file, bytes, at, bytes.length - at, position + at);
        if (bytesWritten === 0) throw new Fault("EXPORT_LAYER_TAR", `write ${this.#path}: nothing was written`);
        at += bytesWritten;
      }
      this.#size += bytes.length;
    } catch (error) {
      throw error instanceof Fault ? error : pathFault("EXPORT_LAYER_TAR", "write", this.#path, error);
    }
  }

  async #finish(file: number): Promise<FinishedTar> {
    try {
      await this.#limiters.syncs.run(this.#rank, () => sync(file));
    } finally {
      await close(file);
    }
    return { path: this.#path, size: this.#size };
  }

  async #abandon(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    // The number of a closed descriptor may be reused for another file.
    await Promise.all(this.#writing);
    await close(file).catch(() => undefined);
    await this.#remove();
  }

  async #remove(): Promise<void> {
    await unlink(this.#path).catch(() => undefined);
  }
}

async function checkRoom(directory: string, bytes: number): Promise<void> {
  const { blocks, bavail, bsize } = await statFileSystem(directory);
  // Some file systems do not report their size.
  if (blocks === 0 || bavail * bsize >= bytes) return;
  throw Object.assign(new Error("no room"), { code: "ENOSPC", errno: -constants.errno.ENOSPC, syscall: "open" });
}
