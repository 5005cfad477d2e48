import { type Fault, toFault } from "../errors/fault.ts";
import { RegistryFault } from "./faults.ts";
import { silentHint } from "./network-hints.ts";
import type { StreamedBody } from "./transport.ts";

export interface BodyRange {
  readonly from: number;
  readonly to: number | undefined;
  readonly length: number | undefined;
}

/**
 * Bytes before the first pause of a listening body, which lasts {@link LISTEN_MS}; the interval doubles with each
 * pause.
 */
const FIRST_PAUSE_BYTES = 128 << 10;

export const LISTEN_MS = 250;

/**
 * Milliseconds from the cancellation of a chunked body until its request is aborted: enough for the bytes that the
 * connection has accepted and a response, and short of the time that a cancelled export has.
 */
const END_TIMEOUT_MS = 250;

/** A body of at least as much, or one that still grows, is worth a message to another thread. */
const LARGE_BYTES = 4 << 20;

/**
 * A blob's bytes; the memory of a chunk is reused. `read` throws the fault of the bytes' producer, or the signal's
 * reason.
 */
export interface UploadSource {
  read(from: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/**
 * A source in a file, which a thread can read itself; the file stays open until `close`. `reaches` resolves true once
 * more than `bytes` are available, false if the source ends at or before that size.
 */
export interface UploadFile extends UploadSource {
  readonly available: number;
  reaches(bytes: number): Promise<boolean>;
  openFile(): { readonly fileDescriptor: number; readonly offset: number; close(): Promise<void> };
}

/**
 * `stallMs` limits how long a connection may accept no bytes while some are ready: neither the duration of the whole
 * upload nor waiting for bytes still being built counts. Without `admit`, bytes may be sent at once. After a connection
 * broke mid-body, `listen` pauses to let the server report an error, because writing to a connection that the server
 * has reset discards an unread response.
 */
export interface BodyHooks {
  readonly destination: string;
  readonly stallMs: number;
  readonly admit?: ((bytes: number) => Promise<void>) | undefined;
  readonly listen?: { readonly pause: () => Promise<void>; readonly untilBytes: number } | undefined;
  readonly onPosition: (position: number) => void;
}

/**
 * The body of one request. If it is cancelled, or its source fails, a body without a length ends early, as if it were
 * complete, so that the registry's response tells the upload's location: distribution cannot cancel an upload at the
 * location that was valid before a broken PATCH
 * (https://github.com/distribution/distribution/blob/v2.8.2/registry/handlers/blobupload.go). The request must not
 * commit the blob. A body with a length cannot end early, and its request is aborted.
 */
export class UploadBody implements StreamedBody {
  readonly length: number | undefined;
  /** Aborts the request. */
  readonly signal: AbortSignal;
  readonly source: UploadSource | UploadFile;
  readonly range: BodyRange;
  readonly hooks: BodyHooks;
  readonly #aborted = new AbortController();
  readonly #cancelled = new AbortController();
  readonly #cancelSignal: AbortSignal | undefined;
  readonly #onCancel = () => this.cancel(this.#cancelSignal?.reason);
  #isStalled = false;
  #hasBegun = false;
  #cancelledMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sourceFault: Fault | undefined;

  constructor(source: UploadSource | UploadFile, range: BodyRange, hooks: BodyHooks, signal: AbortSignal | undefined) {
    this.length = range.length;
    this.signal = this.#aborted.signal;
    this.source = source;
    this.range = range;
    this.hooks = hooks;
    this.#cancelSignal = signal;
    if (signal?.aborted) this.#onCancel();
    else signal?.addEventListener("abort", this.#onCancel);
  }

  /** Aborted with the reason once the body was cancelled or its source failed. */
  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** Call before bytes are sent: from now on, the body may end early. */
  begin(): void {
    this.#cancelled.signal.throwIfAborted();
    this.#hasBegun = true;
  }

  cancel(reason: unknown): void {
    if (this.#cancelled.signal.aborted) return;
    this.#cancelledMs = performance.now();
    const abort = () => this.#aborted.abort(reason);
    if (this.#hasBegun && this.length === undefined) this.#timer = setTimeout(abort, END_TIMEOUT_MS);
    this.#cancelled.abort(reason);
    if (this.#timer === undefined) abort();
  }

  /**
   * Call when the request is over: a later cancellation has no effect.
   * @returns milliseconds since the cancellation, at most {@link END_TIMEOUT_MS}
   */
  close(): number {
    this.#cancelSignal?.removeEventListener("abort", this.#onCancel);
    clearTimeout(this.#timer);
    return this.#cancelledMs === undefined
      ? 0
      : Math.min(END_TIMEOUT_MS, Math.round(performance.now() - this.#cancelledMs));
  }

  get isLarge(): boolean {
    return this.length === undefined || this.length >= LARGE_BYTES;
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** What the source threw. The request fails with it, unless there was a response before. */
  get sourceFault(): Fault | undefined {
    return this.#sourceFault;
  }

  readonly open = (): AsyncIterable<Uint8Array> => this.#read();

  async *#read(): AsyncGenerator<Uint8Array> {
    const { from, to = Number.POSITIVE_INFINITY } = this.range;
    this.begin();
    let position = from;
    if (from === to) return;
    const { listen, admit } = this.hooks;
    const stop = AbortSignal.any([this.#cancelled.signal, this.signal]);
    let pauseAt = FIRST_PAUSE_BYTES;
    let isReading = true;
    try {
      for await (const chunk of this.#readSource(from, stop)) {
        const part = chunk.subarray(0, Math.min(chunk.length, to - position));
        if (admit !== undefined) await admit(part.length);
        const timer = setTimeout(() => this.#stall(), this.hooks.stallMs);
        isReading = false;
        try {
          yield part;
        } finally {
          clearTimeout(timer);
        }
        isReading = true;
        position += part.length;
        this.hooks.onPosition(position);
        if (position >= to) return;
        if (listen === undefined || position - from < pauseAt || pauseAt > listen.untilBytes) continue;
        pauseAt *= 2;
        await listen.pause();
      }
    } catch (error) {
      // An error while the connection has a chunk is the connection's.
      if (!isReading || this.signal.aborted) throw error;
      this.cancel(error);
      if (this.signal.aborted) throw error;
    }
  }

  #stall(): void {
    this.#isStalled = true;
    this.#aborted.abort(stallFault(this.hooks));
  }

  /**
   * Its errors become faults, because an error with a code, such as EIO of a file, would look like the connection's.
   */
  async *#readSource(from: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      yield* this.source.read(from, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#sourceFault = toFault(error);
      throw this.#sourceFault;
    }
  }
}

export function stallFault({ destination, stallMs }: Pick<BodyHooks, "destination" | "stallMs">): RegistryFault {
  const message = `upload to ${destination} stopped moving for ${stallMs / 1000}s`;
  const hint = silentHint(`the registry of ${destination}`);
  const details = { isTemporary: true, silentMs: stallMs, destination, hint };
  return new RegistryFault("EXPORT_REGISTRY_STALLED", message, details);
}
