import { SYSTEM_CLOCK } from "../../concurrency/clock.ts";
import { isBackground } from "../../concurrency/limiter.ts";
import { type Progressed, retrying } from "../../concurrency/retry.ts";
import type { GrowingBlob } from "../../engine/layer.ts";
import { messageOf } from "../../errors/fault.ts";
import { discard } from "../../http/body.ts";
import { isTemporary, RegistryFault, UNREACHABLE } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import { type BodyRange, LISTEN_MS, UploadBody } from "../../http/upload-body.ts";
import type { Digest } from "../../oci/digest.ts";
import { headBlob } from "./blobs.ts";
import type { RegistryResponse } from "./client.ts";
import { type Connection, retryHooks, scopeOf, type Work } from "./connection.ts";
import { checkStored } from "./manifests.ts";
import { type MountSource, type OpenedUpload, openUpload } from "./open-upload.ts";
import { explained } from "./retries.ts";
import {
  CANCEL_TIMEOUT_MS,
  cancelUpload,
  classifyFailure,
  readUploadStatus,
  type UploadFailure,
} from "./upload-recovery.ts";

/**
 * Bytes that must be ready before an upload opens, unless the blob is complete: an open upload without data holds a
 * connection, and the registry may expire it. Also the chunk size of a resumed upload; S3-backed registries refuse
 * parts under 5 MiB only in their own multipart API, and GHCR accepts at most 4 MiB per chunk.
 */
export const READY_BYTES = 4 << 20;

/** Consecutive restarts without progress after the registry lost the upload. */
const MAX_LOSSES = 4;

/**
 * `onBytes` gets the bytes sent so far, which never decrease, even if bytes are sent again. `onBegin` gets the offset
 * at which sending starts, above 0 for a resumed upload.
 */
export interface UploadOptions extends Work {
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onBegin?: ((offset: number) => void) | undefined;
}

/**
 * The upload of one blob: POST, one streamed PATCH, PUT (docs/compatibility.md#pushing-images). A broken upload resumes
 * at the offset that the registry plausibly reports, and restarts otherwise; bytes are read from the blob again, never
 * recompressed (docs/compatibility.md#retries-and-resumed-uploads). A registry without PATCH gets the whole blob in the
 * PUT.
 */
export class Upload {
  readonly #connection: Connection;
  readonly #blob: GrowingBlob;
  readonly #options: UploadOptions;
  #location: URL | undefined;
  #chunkMinBytes = 0;
  #offset = 0;
  #sent = 0;
  #maxSent = 0;
  #maxStored = 0;
  #hasFailed = false;
  /** The last attempt failed because of the blob's producer (e.g. another registry), so its error is not this one's. */
  #hasSourceFailed = false;
  #hasCommitted = false;
  #statusFailures = 0;
  #losses = 0;
  #mayTryAgain = false;
  /** Bytes that the connection had accepted when the last attempt broke; 0 for another outcome. */
  #cutBytes = 0;
  /** Milliseconds that the last request took to end after it was cancelled. */
  #cancelMs = 0;
  #isResumed = false;
  #mayResume = true;

  constructor(connection: Connection, blob: GrowingBlob, options: UploadOptions) {
    this.#connection = connection;
    this.#blob = blob;
    this.#options = options;
  }

  async run(mount: MountSource | undefined): Promise<"uploaded" | "mounted"> {
    const { pushRetry, uploads, counters, repository } = this.#connection;
    const { priority, order, signal } = this.#options;
    const attempt = async (progressed: Progressed) => {
      // Waits before taking a slot and opening an upload that would stall.
      await this.#admit(0);
      const leave = await uploads.acquire(priority, order, signal);
      return await this.#tracked(this.#attempt(mount, progressed)).finally(leave);
    };
    try {
      const policy = { ...pushRetry, isTemporary: () => this.#mayTryAgain };
      const outcome = await retrying(policy, attempt, retryHooks(this.#connection, this.#options));
      counters[outcome === "mounted" ? "mounts" : "uploads"] += 1;
      return outcome;
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#hasSourceFailed) throw error;
      const built = await Promise.race([this.#blob.done, undefined]);
      throw explained(error, { repository, what: `blob ${built?.digest ?? "that is still being built"}` });
    }
  }

  #tracked<T>(attempt: Promise<T>): Promise<T> {
    const { tries } = this.#connection;
    const tracked = attempt.finally(() => tries.delete(tracked));
    tries.add(tracked);
    return tracked;
  }

  async #attempt(mount: MountSource | undefined, progressed: Progressed): Promise<"uploaded" | "mounted"> {
    this.#hasSourceFailed = false;
    try {
      if (this.#hasFailed && (await this.#recover(progressed))) return "uploaded";
      if (this.#location === undefined) {
        const opened = await openUpload(this.#connection, this.#hasFailed ? undefined : mount, this.#options);
        if (opened.mounted) return "mounted";
        this.#begin(opened);
      }
      await this.#transfer(progressed);
      return "uploaded";
    } catch (error) {
      this.#hasFailed = true;
      this.#cutBytes = isCut(error) && !this.#hasSourceFailed ? Math.max(READY_BYTES, this.#sent - this.#offset) : 0;
      // Without the rest of the blob the upload cannot be completed.
      const isLacking = this.#hasSourceFailed && !isTemporary(error);
      const isGivenUp = this.#options.signal?.aborted || !(error instanceof RegistryFault) || isLacking;
      if (isGivenUp && this.#location !== undefined) {
        const { priority } = this.#options;
        await cancelUpload(this.#connection, this.#location, {
          priority,
          signal: AbortSignal.timeout(CANCEL_TIMEOUT_MS - this.#cancelMs),
        });
      }
      const isLost = this.#location !== undefined && this.#classify(error) === "lost";
      this.#mayTryAgain = isLost ? this.#losses++ < MAX_LOSSES : isTemporary(error);
      if (isLost) this.#forget();
      throw error;
    }
  }

  async #admit(bytes: number): Promise<void> {
    if (isBackground(this.#options)) await this.#connection.gate.admit(bytes, this.#options.signal);
  }

  #begin({ location, chunkMinBytes }: OpenedUpload): void {
    this.#location = location;
    this.#chunkMinBytes = chunkMinBytes;
    this.#offset = 0;
    this.#sent = 0;
    this.#isResumed = false;
    this.#options.onBegin?.(0);
  }

  #forget(): void {
    if (this.#isResumed) this.#mayResume = false;
    this.#location = undefined;
  }

  async #recover(progressed: Progressed): Promise<boolean> {
    if (this.#hasCommitted) {
      const { digest } = await this.#blob.done;
      if (await this.#isThere(digest)) return true;
    }
    if (this.#location === undefined) return false;
    const isResumable = this.#mayResume && !this.#connection.capabilities.isMonolithic;
    const status = isResumable ? await this.#readStatus(this.#location) : undefined;
    if (status === undefined) {
      this.#location = undefined;
      return false;
    }
    this.#location = status.location;
    this.#offset = status.offset;
    this.#isResumed = true;
    // Bytes accepted by connections may be lost, so only the registry's offset proves progress.
    if (status.offset > this.#maxStored) progressed();
    this.#maxStored = Math.max(this.#maxStored, status.offset);
    this.#options.onBegin?.(status.offset);
    return false;
  }

  async #readStatus(location: URL) {
    try {
      return await readUploadStatus(this.#connection, location, this.#sent, this.#options);
    } catch (error) {
      if (!(error instanceof RegistryFault)) throw error;
      // A registry that is down now may know the upload later; after a second failure, or silence, it is not asked again.
      const isDown = error.isTemporary && error.silentMs === 0;
      if (isDown && this.#statusFailures++ === 0) throw error;
      return undefined;
    }
  }

  async #transfer(progressed: Progressed): Promise<void> {
    if (this.#connection.capabilities.isMonolithic) return this.#putWhole(progressed);
    try {
      for (let range = await this.#nextRange(); range !== undefined; range = await this.#nextRange()) {
        const { from, to } = range;
        const headers = to === undefined ? {} : { "content-range": `${from}-${to - 1}` };
        const response = await this.#sendBytes(
          "PATCH",
          this.#location as URL,
          range,
          headers,
          [201, 202, 204],
          progressed,
        );
        this.#offset = to ?? (await this.#blob.done).size;
        await this.#follow(response);
        if (to === undefined) break;
      }
    } catch (error) {
      if (!this.#learn(error)) throw error;
      this.#location = undefined;
      const opened = await openUpload(this.#connection, undefined, this.#options);
      if (opened.mounted) throw error;
      this.#begin(opened);
      return this.#transfer(progressed);
    }
    await this.#commit();
  }

  async #follow(response: RegistryResponse): Promise<void> {
    if (headerOf(response, "location") !== undefined) this.#location = await this.#connection.client.location(response);
  }

  #learn(error: unknown): boolean {
    const { capabilities, logger } = this.#connection;
    const failure = this.#classify(error);
    if (failure === "monolithic") capabilities.isMonolithic = true;
    else if (failure === "length" && !capabilities.needsLength) capabilities.needsLength = true;
    else return false;
    const way = failure === "length" ? "with its length" : "in one piece";
    logger.debug(`${messageOf(error)}, uploading the blob ${way}`);
    return true;
  }

  #classify(error: unknown): UploadFailure {
    return this.#hasSourceFailed ? "other" : classifyFailure(error, this.#isResumed);
  }

  async #nextRange(): Promise<BodyRange | undefined> {
    if (this.#offset === 0) {
      const { needsLength } = this.#connection.capabilities;
      const finished = await (needsLength ? this.#blob.done : Promise.race([this.#blob.done, undefined]));
      return { from: 0, to: undefined, length: finished?.size };
    }
    const pieceBytes = Math.max(READY_BYTES, this.#chunkMinBytes);
    const isGrowing = await this.#blob.reaches(this.#offset + pieceBytes - 1);
    const end = isGrowing ? this.#blob.available : (await this.#blob.done).size;
    return end === this.#offset ? undefined : { from: this.#offset, to: end, length: end - this.#offset };
  }

  async #putWhole(progressed: Progressed): Promise<void> {
    const { digest, size } = await this.#blob.done;
    this.#hasCommitted = true;
    const range = { from: 0, to: size, length: size };
    const response = await this.#sendBytes("PUT", this.#commitTarget(digest), range, {}, [201, 204], progressed);
    await checkStored(response, digest, () => this.#isThere(digest));
    this.#options.onBytes?.(size);
  }

  async #commit(): Promise<void> {
    const { client, repository, timeouts } = this.#connection;
    const { digest, size } = await this.#blob.done;
    this.#hasCommitted = true;
    const response = await client.send({
      ...this.#options,
      method: "PUT",
      target: this.#commitTarget(digest),
      scopes: [scopeOf(repository, "push,pull")],
      expected: [201, 204],
      headers: { "content-type": "application/octet-stream", "content-length": "0" },
      headersTimeoutMs: timeouts.commitMs,
    });
    await checkStored(response, digest, () => this.#isThere(digest));
    this.#options.onBytes?.(size);
  }

  async #isThere(digest: Digest): Promise<boolean> {
    return (await headBlob(this.#connection, digest, "push,pull", this.#options)) === "present";
  }

  async #pause(): Promise<void> {
    const { clock = SYSTEM_CLOCK } = this.#connection.pushRetry;
    await clock.wait(LISTEN_MS, this.#options.signal);
  }

  #commitTarget(digest: Digest): URL {
    const target = new URL(this.#location as URL);
    target.searchParams.set("digest", digest);
    return target;
  }

  async #sendBytes(
    method: "PATCH" | "PUT",
    target: URL,
    range: BodyRange,
    headers: Readonly<Record<string, string>>,
    expected: readonly number[],
    progressed: Progressed,
  ): Promise<RegistryResponse> {
    const { client, repository, counters, gate, timeouts } = this.#connection;
    const { priority, signal } = this.#options;
    const { from, to } = range;
    const againTo = this.#maxSent;
    let position = from;
    const foreground = isBackground(this.#options) ? undefined : gate.enter(() => this.#blob.available - position);
    const onPosition = (reached: number) => {
      // Less than before if a refused token made the request repeat.
      foreground?.sent(Math.max(0, reached - position));
      position = reached;
      this.#sent = Math.max(this.#sent, position);
      if (position <= this.#maxSent) return;
      this.#maxSent = position;
      this.#losses = 0;
      progressed();
      this.#options.onBytes?.(position);
    };
    const { name: destination } = repository;
    const hooks = {
      destination,
      stallMs: timeouts.stallMs,
      onPosition,
      admit: isBackground(this.#options) ? (bytes: number) => gate.admit(bytes, signal) : undefined,
      listen: this.#cutBytes === 0 ? undefined : { pause: () => this.#pause(), untilBytes: this.#cutBytes },
    };
    const body = new UploadBody(this.#blob, range, hooks, signal);
    counters.resentBytes += Math.max(0, Math.min(againTo, to ?? againTo) - from);
    try {
      const response = await client.open({
        method,
        target,
        scopes: [scopeOf(repository, "push,pull")],
        expected,
        headers: { "content-type": "application/octet-stream", ...headers },
        body,
        headersTimeoutMs: timeouts.commitMs,
        priority,
        signal: body.signal,
      });
      await discard(response);
      // After a commit, the location is the blob's.
      if (body.cancelled.aborted && method === "PATCH" && response.status === 202) await this.#follow(response);
      body.cancelled.throwIfAborted();
      return response;
    } catch (error) {
      const reason: unknown = body.cancelled.aborted ? body.cancelled.reason : error;
      this.#hasSourceFailed = reason === body.sourceFault;
      throw reason;
    } finally {
      this.#cancelMs = body.close();
      foreground?.leave();
    }
  }
}

function isCut(error: unknown): boolean {
  return error instanceof RegistryFault && error.code === UNREACHABLE && !error.isStranger;
}
