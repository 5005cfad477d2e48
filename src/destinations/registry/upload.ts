import { isBackground } from "../../concurrency/limiter.ts";
import { type OnProgress, retrying } from "../../concurrency/retry.ts";
import type { GrowingBlob } from "../../engine/layer.ts";
import { messageOf } from "../../errors/fault.ts";
import { discard } from "../../http/body.ts";
import { isTemporary, RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import { type BodyHooks, type BodyRange, LISTEN_MS, UploadBody } from "../../http/upload-body.ts";
import type { Digest } from "../../oci/digest.ts";
import { headBlob } from "./blobs.ts";
import type { RegistryResponse } from "./client.ts";
import { type Connection, type RequestOptions, scopeOf } from "./connection.ts";
import { checkStored } from "./manifests.ts";
import { explained } from "./refusals.ts";
import { retryHooks } from "./retries.ts";
import { classifyFailure, type OpenUpload, SourceFailure, UploadFailures } from "./upload-failures.ts";
import {
  CANCEL_TIMEOUT_MS,
  cancelUpload,
  type MountSource,
  openUpload,
  readUploadStatus,
  type UploadStatus,
} from "./upload-requests.ts";

/**
 * Bytes that must be ready before an upload opens, unless the blob is complete: an open upload without data holds a
 * connection, and the registry may expire it. Also the chunk size of a resumed upload; S3-backed registries refuse
 * parts under 5 MiB only in their own multipart API, and GHCR accepts at most 4 MiB per chunk.
 */
export const READY_BYTES = 4 << 20;

/**
 * `onBytes` gets the bytes sent so far, which never decrease, even if bytes are sent again. `onBegin` gets the offset
 * at which sending starts, above 0 for a resumed upload.
 */
export interface UploadOptions extends RequestOptions {
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly onBegin?: ((offset: number) => void) | undefined;
}

interface UploadState extends OpenUpload {
  location: URL;
  readonly chunkMinBytes: number;
  offset: number;
  sent: number;
  /** Milliseconds that the last request took to end after it was cancelled. */
  cancelMs: number;
}

interface BytesRequest {
  readonly method: "PATCH" | "PUT";
  readonly target: URL;
  readonly range: BodyRange;
  readonly headers?: Readonly<Record<string, string>>;
  readonly expected: readonly number[];
}

/** The highest position, over all attempts. */
class HighWaterMark {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns whether this position is higher than all before */
  raise(position: number): boolean {
    if (position <= this.#bytes) return false;
    this.#bytes = position;
    return true;
  }
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
  readonly #failures = new UploadFailures();
  /** Accepted by connections, but perhaps not by the registry. */
  readonly #sent = new HighWaterMark();
  /** Reported by the registry. */
  readonly #stored = new HighWaterMark();
  #upload: UploadState | undefined;
  #hasCommitted = false;
  #onProgress: OnProgress = () => undefined;

  constructor(connection: Connection, blob: GrowingBlob, options: UploadOptions) {
    this.#connection = connection;
    this.#blob = blob;
    this.#options = options;
  }

  async run(mount: MountSource | undefined): Promise<"uploaded" | "mounted"> {
    const { pushRetry, uploads, counters, repository } = this.#connection;
    const { signal } = this.#options;
    const attempt = async (onProgress: OnProgress) => {
      this.#onProgress = onProgress;
      // Waits before taking a slot and opening an upload that would stall.
      await this.#admit(0);
      const leave = await uploads.acquire(this.#options, signal);
      return await this.#tracked(this.#attempt(mount)).finally(leave);
    };
    try {
      const policy = { ...pushRetry, isTemporary: () => this.#failures.last?.mayTryAgain === true };
      const outcome = await retrying(policy, attempt, retryHooks(this.#connection, this.#options));
      counters[outcome === "mounted" ? "mounts" : "uploads"] += 1;
      return outcome;
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#failures.last?.isSource) throw error;
      const built = await Promise.race([this.#blob.done, undefined]);
      throw explained(error, { repository, what: `blob ${built?.digest ?? "that is still being built"}` });
    }
  }

  #tracked<T>(attempt: Promise<T>): Promise<T> {
    const { attempts } = this.#connection;
    const tracked = attempt.finally(() => attempts.delete(tracked));
    attempts.add(tracked);
    return tracked;
  }

  async #attempt(mount: MountSource | undefined): Promise<"uploaded" | "mounted"> {
    try {
      if (this.#hasCommitted && (await this.#isThere((await this.#blob.done).digest))) return "uploaded";
      const upload = (await this.#resume()) ?? (await this.#open(this.#failures.last ? undefined : mount));
      if (upload === undefined) return "mounted";
      await this.#transfer(upload);
      return "uploaded";
    } catch (thrown) {
      const isSource = thrown instanceof SourceFailure;
      const error = isSource ? thrown.cause : thrown;
      const upload = this.#upload;
      // Without the rest of the blob the upload cannot be completed.
      const isSourceLost = isSource && !isTemporary(error);
      const isGivenUp = this.#options.signal?.aborted || !(error instanceof RegistryFault) || isSourceLost;
      if (isGivenUp && upload !== undefined) await this.#cancel(upload);
      if (this.#failures.add(thrown, upload) === "lost") this.#upload = undefined;
      throw error;
    }
  }

  async #admit(bytes: number): Promise<void> {
    if (isBackground(this.#options)) await this.#connection.gate.admit(bytes, this.#options.signal);
  }

  /** @returns undefined if the blob was mounted */
  async #open(mount: MountSource | undefined): Promise<UploadState | undefined> {
    const opened = await openUpload(this.#connection, mount, this.#options);
    if (opened.mounted) return undefined;
    const { location, chunkMinBytes } = opened;
    this.#upload = { location, chunkMinBytes, offset: 0, sent: 0, isResumed: false, cancelMs: 0 };
    this.#options.onBegin?.(0);
    return this.#upload;
  }

  async #resume(): Promise<UploadState | undefined> {
    const upload = this.#upload;
    const isResumable = this.#failures.mayResume && !this.#connection.capabilities.isMonolithic;
    const status = upload && isResumable ? await this.#readStatus(upload) : undefined;
    if (upload === undefined || status === undefined) {
      this.#upload = undefined;
      return undefined;
    }
    this.#upload = { ...upload, ...status, isResumed: true };
    // Bytes accepted by connections may be lost, so only the registry's offset proves progress.
    if (this.#stored.raise(status.offset)) this.#onProgress();
    this.#options.onBegin?.(status.offset);
    return this.#upload;
  }

  async #readStatus({ location, sent }: UploadState): Promise<UploadStatus | undefined> {
    try {
      return await readUploadStatus(this.#connection, location, sent, this.#options);
    } catch (error) {
      if (!(error instanceof RegistryFault) || this.#failures.addFailedQuery(error) === "kept") throw error;
      return undefined;
    }
  }

  async #cancel({ location, cancelMs }: UploadState): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS - cancelMs);
    await cancelUpload(this.#connection, location, { priority: this.#options.priority, signal });
  }

  async #transfer(upload: UploadState): Promise<void> {
    const { isMonolithic } = this.#connection.capabilities;
    try {
      if (!isMonolithic) await this.#patch(upload);
    } catch (error) {
      if (!this.#learn(error, upload)) throw error;
      this.#upload = undefined;
      const reopened = await this.#open(undefined);
      if (reopened === undefined) throw error;
      return this.#transfer(reopened);
    }
    const { digest, size } = await this.#blob.done;
    this.#hasCommitted = true;
    const target = new URL(upload.location);
    target.searchParams.set("digest", digest);
    const range = { from: 0, to: size, length: size };
    const response = isMonolithic
      ? await this.#sendBytes(upload, { method: "PUT", target, range, expected: [201, 204] })
      : await this.#commit(target);
    await checkStored(response, digest, () => this.#isThere(digest));
  }

  async #patch(upload: UploadState): Promise<void> {
    for (let range = await this.#nextRange(upload); range !== undefined; range = await this.#nextRange(upload)) {
      const { from, to } = range;
      const headers = to === undefined ? {} : { "content-range": `${from}-${to - 1}` };
      const request = { method: "PATCH", target: upload.location, range, headers, expected: [201, 202, 204] } as const;
      const response = await this.#sendBytes(upload, request);
      upload.offset = to ?? (await this.#blob.done).size;
      await this.#follow(upload, response);
      if (to === undefined) break;
    }
  }

  async #follow(upload: UploadState, response: RegistryResponse): Promise<void> {
    if (headerOf(response, "location") !== undefined)
      upload.location = await this.#connection.client.location(response);
  }

  #learn(error: unknown, { isResumed }: UploadState): boolean {
    const { capabilities, logger } = this.#connection;
    const failure = classifyFailure(error, isResumed);
    if (failure === "monolithic") capabilities.isMonolithic = true;
    else if (failure === "length" && !capabilities.needsLength) capabilities.needsLength = true;
    else return false;
    const way = failure === "length" ? "with its length" : "in one piece";
    logger.debug(`${messageOf(error)}, uploading the blob ${way}`);
    return true;
  }

  async #nextRange({ offset, chunkMinBytes }: UploadState): Promise<BodyRange | undefined> {
    if (offset === 0) {
      const { needsLength } = this.#connection.capabilities;
      const finished = await (needsLength ? this.#blob.done : Promise.race([this.#blob.done, undefined]));
      return { from: 0, to: undefined, length: finished?.size };
    }
    const isGrowing = await this.#blob.reaches(offset + Math.max(READY_BYTES, chunkMinBytes) - 1);
    const end = isGrowing ? this.#blob.available : (await this.#blob.done).size;
    return end === offset ? undefined : { from: offset, to: end, length: end - offset };
  }

  async #commit(target: URL): Promise<RegistryResponse> {
    const { client, repository, timeouts } = this.#connection;
    return await client.send({
      ...this.#options,
      method: "PUT",
      target,
      scopes: [scopeOf(repository, "push,pull")],
      expected: [201, 204],
      headers: { "content-type": "application/octet-stream", "content-length": "0" },
      headersTimeoutMs: timeouts.commitMs,
    });
  }

  async #isThere(digest: Digest): Promise<boolean> {
    return (await headBlob(this.#connection, digest, "push,pull", this.#options)) === "present";
  }

  async #pause(): Promise<void> {
    await this.#connection.pushRetry.clock.wait(LISTEN_MS, this.#options.signal);
  }

  async #sendBytes(upload: UploadState, request: BytesRequest): Promise<RegistryResponse> {
    const { client, repository, counters, gate, timeouts } = this.#connection;
    const { priority, signal } = this.#options;
    const { range, headers, ...rest } = request;
    const { from, to = this.#sent.bytes } = range;
    let position = from;
    const foreground = isBackground(this.#options) ? undefined : gate.enter(() => this.#blob.available - position);
    const hooks = this.#hooks((reached) => {
      // Less than before if a refused token made the request repeat.
      foreground?.sent(Math.max(0, reached - position));
      position = reached;
      this.#reach(upload, position);
    });
    const body = new UploadBody(this.#blob, range, hooks, signal);
    counters.resentBytes += Math.max(0, Math.min(this.#sent.bytes, to) - from);
    try {
      const response = await client.open({
        ...rest,
        scopes: [scopeOf(repository, "push,pull")],
        headers: { "content-type": "application/octet-stream", ...headers },
        body,
        headersTimeoutMs: timeouts.commitMs,
        priority,
        signal: body.signal,
      });
      await discard(response);
      // After a commit, the location is the blob's.
      if (body.cancelled.aborted && request.method === "PATCH" && response.status === 202)
        await this.#follow(upload, response);
      body.cancelled.throwIfAborted();
      return response;
    } catch (error) {
      const reason: unknown = body.cancelled.aborted ? body.cancelled.reason : error;
      throw reason === body.sourceFault ? new SourceFailure("", { cause: reason }) : reason;
    } finally {
      upload.cancelMs = body.close();
      foreground?.leave();
    }
  }

  #hooks(onPosition: BodyHooks["onPosition"]): BodyHooks {
    const { repository, timeouts } = this.#connection;
    const { isCut = false, sentBytes = 0 } = this.#failures.last ?? {};
    return {
      destination: repository.name,
      stallMs: timeouts.stallMs,
      onPosition,
      admit: isBackground(this.#options) ? (bytes) => this.#admit(bytes) : undefined,
      listen: isCut ? { pause: () => this.#pause(), untilBytes: Math.max(READY_BYTES, sentBytes) } : undefined,
    };
  }

  #reach(upload: UploadState, position: number): void {
    upload.sent = Math.max(upload.sent, position);
    if (!this.#sent.raise(position)) return;
    this.#failures.onProgress();
    this.#onProgress();
    this.#options.onBytes?.(position);
  }
}
