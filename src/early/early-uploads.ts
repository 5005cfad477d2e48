import { awaitedLater } from "../concurrency/task-scope.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { UploadOptions } from "../destinations/registry/upload.ts";
import type { GrowingBlob } from "../engine/layer.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import type { Logger } from "../logger.ts";
import { APP_PRIORITY } from "../plan/layers.ts";

export interface EarlyUpload {
  readonly sentBytes: number;
  stop(): void;
}

/**
 * Uploads to the app image's repository while the build runs. An export that wants one of the blobs joins the upload in
 * progress (`RegistryRepository.putBlob`). A failed upload has no effect: the export pushes the blob again.
 */
export class EarlyUploads {
  readonly #repository: RegistryRepository;
  readonly #logger: Logger;
  readonly #running = new Set<RunningUpload>();
  #access: Promise<boolean> | undefined;

  constructor(repository: RegistryRepository, logger: Logger) {
    this.#repository = repository;
    this.#logger = logger;
  }

  start(blob: GrowingBlob): EarlyUpload {
    const running = new RunningUpload();
    this.#running.add(running);
    void this.#run(blob, running).finally(() => this.#running.delete(running));
    return running;
  }

  /**
   * Call when the build is over. Stops uploads that wait for a retry, because the export would have to wait out their
   * backoff, and forgets which blobs the repository has.
   */
  handOver(): void {
    for (const running of this.#running) if (running.isFailing) running.stop();
    this.#repository.forgetBlobs();
  }

  async #run(blob: GrowingBlob, running: RunningUpload): Promise<void> {
    const { signal } = running;
    try {
      if (!(await this.#mayPush(signal))) return;
      const put = await this.#repository.putBlob(blob, {
        priority: APP_PRIORITY,
        signal,
        onBytes: (bytes) => running.onBytes(bytes),
        onBegin: (offset) => running.onBegin(offset),
        onRetry: (error, waitMs) => running.onRetry(error, waitMs),
        onJoin: (other) => running.join(other),
      });
      if (put.outcome !== "uploaded") running.onBytes(0);
    } catch (error) {
      if (!signal.aborted) this.#logger.debug(`Failed to upload a layer early: ${messageOf(error)}`);
    }
  }

  #mayPush(signal: AbortSignal): Promise<boolean> {
    this.#access ??= awaitedLater(
      this.#repository.checkPush({ priority: APP_PRIORITY, signal }).then(
        () => true,
        (error: unknown) => {
          if (signal.aborted) this.#access = undefined;
          this.#logger.debug(`Not uploading layers early: ${messageOf(error)}`);
          return false;
        },
      ),
    );
    return this.#access;
  }
}

class RunningUpload implements EarlyUpload {
  readonly #stopped = new AbortController();
  sentBytes = 0;
  isFailing = false;
  #hasBegun = false;
  #follower: UploadOptions | undefined;

  get signal(): AbortSignal {
    return this.#stopped.signal;
  }

  onBytes(bytes: number): void {
    this.sentBytes = bytes;
    this.isFailing = false;
    this.#follower?.onBytes?.(bytes);
  }

  onBegin(offset: number): void {
    this.#hasBegun = true;
    this.isFailing = false;
    this.#follower?.onBegin?.(offset);
  }

  onRetry(error: unknown, waitMs: number): void {
    this.isFailing = true;
    this.#follower?.onRetry?.(error, waitMs);
  }

  /** From now on the export observes the upload, as if it had begun now and sent all previous bytes at once. */
  join(follower: UploadOptions): void {
    if (this.#follower !== undefined) return;
    this.#follower = follower;
    if (!this.#hasBegun) return;
    follower.onBegin?.(0);
    follower.onBytes?.(this.sentBytes);
  }

  stop(): void {
    this.#stopped.abort(new Fault("EXPORT_CANCELLED", "an early upload was not needed any more"));
  }
}
