import { type Progressed, retrying } from "../../flow/retry.ts";
import type { GrowingBlob } from "../../layers/layer.ts";
import { headerOf } from "../../transport/http.ts";
import { COMMIT_TIMEOUT_MS } from "../../transport/registry-client.ts";
import { DENIED, isTemporary, RegistryFault } from "../../transport/registry-fault.ts";
import { headBlob } from "./blob.ts";
import { type Connection, isBackground, retryHooks, scopeOf, type Work } from "./connection.ts";
import { type MountSource, openUpload } from "./mount.ts";
import { UploadBody } from "./upload-body.ts";
import { readUploadStatus } from "./upload-status.ts";

/**
 * Bytes that must be ready before an upload is opened, unless the blob is complete: an upload that waits for its first
 * bytes holds a connection and may be cleaned up by the registry. Also the least that a resumed upload sends at a time;
 * S3-backed registries refuse parts under 5 MiB only for their own multipart API, GHCR takes at most 4 MiB a part.
 */
export const READY_BYTES = 4 << 20;

export interface UploadOptions extends Work {
  /** Bytes sent so far; never less than before, whatever had to be sent again. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** An upload is open, from whose offset sending begins: 0, or more where one goes on that broke. */
  readonly onBegin?: ((offset: number) => void) | undefined;
}

/** Session is gone or does not continue: these are answered with a new upload. */
const LOST_CODES = new Set(["BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"]);

/**
 * The upload of one blob: POST, one streamed PATCH, PUT (contract 9.5). What breaks is resumed where the registry says that
 * it stopped, if it says so credibly, and begun anew otherwise; the bytes are read again from the blob, never made again.
 */
export class Upload {
  readonly #connection: Connection;
  readonly #blob: GrowingBlob;
  readonly #options: UploadOptions;
  #location: URL | undefined;
  /** Bytes that the registry has in the open upload. */
  #offset = 0;
  /** Bytes that were given to connections in the open upload. */
  #sent = 0;
  #mostSent = 0;
  #hasFailed = false;
  #hasCommitted = false;
  #statusFailures = 0;
  /** The last error, if it meant that the upload it came from cannot go on. */
  #lostBy: unknown;
  #isResumed = false;
  #mayResume = true;

  constructor(connection: Connection, blob: GrowingBlob, options: UploadOptions) {
    this.#connection = connection;
    this.#blob = blob;
    this.#options = options;
  }

  /**
   * Uploads, or mounts when there is a source and the registry agrees.
   * @throws RegistryFault when the registry refuses or does not recover; the fault of the blob's maker
   */
  async run(mount: MountSource | undefined): Promise<"uploaded" | "mounted"> {
    const { pushRetry, uploads } = this.#connection;
    const { priority, order, signal } = this.#options;
    const policy = { ...pushRetry, isTemporary: (error: unknown) => isTemporary(error) || error === this.#lostBy };
    const outcome = await retrying(
      policy,
      // The place is given back between two tries.
      async (progressed) => {
        // Waits before it takes a place, and before it opens an upload that would stand still.
        await this.#admit(0);
        return uploads.run(priority, () => this.#attempt(mount, progressed), order, signal);
      },
      retryHooks(this.#connection, this.#options),
    );
    this.#connection.counters[outcome === "mounted" ? "mounts" : "uploads"] += 1;
    return outcome;
  }

  async #attempt(mount: MountSource | undefined, progressed: Progressed): Promise<"uploaded" | "mounted"> {
    try {
      if (this.#hasFailed && (await this.#recover())) return "uploaded";
      if (this.#location === undefined) {
        const opened = await openUpload(this.#connection, this.#hasFailed ? undefined : mount, this.#options);
        if (opened.mounted) return "mounted";
        this.#begin(opened.location);
      }
      await this.#send(progressed);
      await this.#commit();
      return "uploaded";
    } catch (error) {
      this.#hasFailed = true;
      if (this.#isLost(error)) this.#forget(error);
      throw error;
    }
  }

  async #admit(bytes: number): Promise<void> {
    if (isBackground(this.#options)) await this.#connection.gate.admit(bytes, this.#options.signal);
  }

  #begin(location: URL): void {
    this.#location = location;
    this.#offset = 0;
    this.#sent = 0;
    this.#isResumed = false;
    this.#options.onBegin?.(0);
  }

  #forget(reason: unknown): void {
    this.#lostBy = reason;
    if (this.#isResumed) this.#mayResume = false;
    this.#location = undefined;
  }

  /** Finds out what the last try left behind; true when that is the whole blob. */
  async #recover(): Promise<boolean> {
    if (this.#hasCommitted) {
      const { digest } = await this.#blob.done;
      if (await headBlob(this.#connection, digest, "push,pull", this.#options)) return true;
    }
    if (this.#location === undefined) return false;
    const status = this.#mayResume ? await this.#readStatus(this.#location) : undefined;
    if (status === undefined) {
      this.#location = undefined;
      return false;
    }
    this.#location = status.location;
    this.#offset = status.offset;
    this.#isResumed = status.offset > 0;
    this.#options.onBegin?.(status.offset);
    return false;
  }

  async #readStatus(location: URL) {
    try {
      return await readUploadStatus(this.#connection, location, this.#sent, this.#options);
    } catch (error) {
      // A registry that is down now may know the upload later; one that fails twice on this question is not asked again.
      if (isTemporary(error) && this.#statusFailures++ === 0) throw error;
      if (!(error instanceof RegistryFault)) throw error;
      return undefined;
    }
  }

  /** Sends all that the registry lacks: in one go from the start, in pieces of a known length after a failure. */
  async #send(progressed: Progressed): Promise<void> {
    while (this.#offset > 0) {
      const isGrowing = await this.#blob.reaches(this.#offset + READY_BYTES - 1);
      const end = isGrowing ? this.#blob.available : (await this.#blob.done).size;
      if (end === this.#offset) return;
      await this.#patch(end, end - this.#offset, progressed);
    }
    const finished = await Promise.race([this.#blob.done, undefined]);
    await this.#patch(undefined, finished?.size, progressed);
  }

  async #patch(to: number | undefined, length: number | undefined, progressed: Progressed): Promise<void> {
    const { client, repository, counters, gate } = this.#connection;
    const { priority, signal } = this.#options;
    const from = this.#offset;
    const againTo = this.#mostSent;
    let position = from;
    const foreground = isBackground(this.#options) ? undefined : gate.enter(() => this.#blob.available - position);
    const onPosition = (reached: number) => {
      foreground?.sent(reached - position);
      position = reached;
      this.#sent = Math.max(this.#sent, position);
      if (position <= this.#mostSent) return;
      this.#mostSent = position;
      progressed();
      this.#options.onBytes?.(position);
    };
    const hooks = { onPosition, admit: (bytes: number) => this.#admit(bytes) };
    const body = new UploadBody(this.#blob, { from, to, length }, repository.name, hooks, signal);
    counters.resentBytes += Math.max(0, Math.min(againTo, to ?? againTo) - from);
    const sending = client.send({
      method: "PATCH",
      target: this.#location ?? "",
      scopes: [scopeOf(repository, "push,pull")],
      expected: [201, 202, 204],
      headers: {
        "content-type": "application/octet-stream",
        ...(to === undefined ? {} : { "content-range": `${from}-${to - 1}` }),
      },
      body,
      headersTimeoutMs: COMMIT_TIMEOUT_MS,
      priority,
      signal: body.signal,
    });
    const answer = await sending.finally(() => foreground?.leave());
    this.#offset = to ?? (await this.#blob.done).size;
    if (headerOf(answer, "location") !== undefined) this.#location = await client.location(answer);
  }

  async #commit(): Promise<void> {
    const { client, repository } = this.#connection;
    const { digest, size } = await this.#blob.done;
    const target = new URL(this.#location ?? "");
    target.searchParams.set("digest", digest);
    this.#hasCommitted = true;
    await client.send({
      ...this.#options,
      method: "PUT",
      target,
      scopes: [scopeOf(repository, "push,pull")],
      expected: [201, 204],
      headers: { "content-type": "application/octet-stream", "content-length": "0" },
      headersTimeoutMs: COMMIT_TIMEOUT_MS,
    });
    this.#options.onBytes?.(size);
  }

  /**
   * True for an answer that says that the open upload cannot go on although the registry is well. A wrong digest counts
   * only after a resumption: ECR is known to report an offset that is not true.
   */
  #isLost(error: unknown): boolean {
    if (!(error instanceof RegistryFault) || this.#location === undefined) return false;
    if (error.status === 416) return true;
    if (error.code === DENIED) return false;
    const codes = error.diagnostics.map(({ code }) => code);
    if (codes.some((code) => LOST_CODES.has(code))) return true;
    return this.#isResumed && (codes.includes("DIGEST_INVALID") || (error.status ?? 500) < 500);
  }
}
