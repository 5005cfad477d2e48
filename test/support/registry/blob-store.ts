import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, type FileHandle, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { DropConnection } from "./exchange.ts";

export class PendingUpload {
  readonly id = randomUUID();
  readonly repository: string;
  readonly path: string;
  size = 0;
  readonly #hash: Hash = createHash("sha256");
  readonly #file: FileHandle;
  #turn: Promise<unknown> = Promise.resolve();
  #digest: Promise<string> | undefined;

  constructor(repository: string, path: string, file: FileHandle) {
    this.repository = repository;
    this.path = path;
    this.#file = file;
  }

  /** If the body breaks off, the part received so far stays. */
  append(body: AsyncIterable<Buffer>): Promise<void> {
    return this.inTurn(async () => {
      for await (const chunk of body) {
        await this.#file.write(chunk);
        this.#hash.update(chunk);
        this.size += chunk.length;
      }
    });
  }

  /** Runs after all earlier tasks of this upload, so that a status never overtakes a broken PATCH. */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Idempotent, for a client that missed the answer and asks again. */
  finish(): Promise<string> {
    this.#digest ??= this.#file.close().then(() => `sha256:${this.#hash.digest("hex")}`);
    return this.#digest;
  }
}

/** Large, because small reads take more CPU time than what is done with them. */
const READ_BYTES = 1 << 20;

/** Blobs of all repositories, in files and each stored once; a repository holds a set of digests. */
export class BlobStore {
  readonly #directory: string;
  readonly #changes = new Set<Promise<unknown>>();
  readonly #sizes = new Map<string, number>();
  readonly #members = new Map<string, Set<string>>();
  readonly #uploads = new Map<string, PendingUpload>();
  #isClosed = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  has(repository: string, digest: string): boolean {
    return this.#members.get(repository)?.has(digest) ?? false;
  }

  sizeOf(digest: string): number {
    return this.#sizes.get(digest) ?? 0;
  }

  read(digest: string, from = 0): Readable {
    return createReadStream(this.#pathOf(digest), { start: from, highWaterMark: READ_BYTES });
  }

  link(repository: string, digest: string): void {
    const members = this.#members.get(repository) ?? new Set();
    this.#members.set(repository, members.add(digest));
  }

  unlink(repository: string, digest: string): void {
    this.#members.get(repository)?.delete(digest);
  }

  async copyTo(digest: string, other: BlobStore, repository: string): Promise<void> {
    if (!other.#sizes.has(digest)) {
      await copyFile(this.#pathOf(digest), other.#pathOf(digest));
      other.#sizes.set(digest, this.sizeOf(digest));
    }
    other.link(repository, digest);
  }

  async begin(repository: string): Promise<PendingUpload> {
    // A request may have waited while the registry closed.
    if (this.#isClosed) throw new DropConnection();
    return await this.#change(() => this.#open(repository));
  }

  async #open(repository: string): Promise<PendingUpload> {
    const path = join(this.#directory, `upload-${randomUUID()}`);
    const upload = new PendingUpload(repository, path, await open(path, "wx"));
    this.#uploads.set(upload.id, upload);
    // A request may arrive while the registry is closing.
    if (this.#isClosed) await this.cancel(upload);
    return upload;
  }

  upload(repository: string, id: string): PendingUpload | undefined {
    const upload = this.#uploads.get(id);
    return upload?.repository === repository ? upload : undefined;
  }

  /** Ends an upload. If the digest is wrong, discards the bytes and returns false. */
  commit(upload: PendingUpload, digest: string): Promise<boolean> {
    this.#uploads.delete(upload.id);
    return this.#change(() => this.#keep(upload, digest));
  }

  async #keep(upload: PendingUpload, digest: string): Promise<boolean> {
    if ((await upload.finish()) !== digest) {
      await rm(upload.path);
      return false;
    }
    await rename(upload.path, this.#pathOf(digest));
    this.#sizes.set(digest, upload.size);
    this.link(upload.repository, digest);
    return true;
  }

  /** Idempotent: the client may cancel an upload while the registry closes. */
  async cancel(upload: PendingUpload): Promise<void> {
    if (!this.#uploads.delete(upload.id)) return;
    await this.#change(async () => {
      await upload.finish();
      await rm(upload.path);
    });
  }

  #change<Value>(action: () => Promise<Value>): Promise<Value> {
    const change = action().finally(() => this.#changes.delete(change));
    this.#changes.add(change);
    return change;
  }

  /** After it no file of the directory changes. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#uploads.values()].map((upload) => upload.inTurn(() => this.cancel(upload))));
    await Promise.allSettled(this.#changes);
  }

  get pending(): number {
    return this.#uploads.size;
  }

  #pathOf(digest: string): string {
    return join(this.#directory, digest.replace(":", "-"));
  }
}
