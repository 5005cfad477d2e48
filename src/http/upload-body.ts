import { RegistryFault } from "./faults.ts";
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

export class UploadBody implements StreamedBody {
  readonly length: number | undefined;
  readonly signal: AbortSignal;
  readonly source: UploadSource | UploadFile;
  readonly range: BodyRange;
  readonly hooks: BodyHooks;
  readonly #stalled = new AbortController();

  constructor(source: UploadSource | UploadFile, range: BodyRange, hooks: BodyHooks, signal: AbortSignal | undefined) {
    this.length = range.length;
    this.signal = signal === undefined ? this.#stalled.signal : AbortSignal.any([signal, this.#stalled.signal]);
    this.source = source;
    this.range = range;
    this.hooks = hooks;
  }

  get isLarge(): boolean {
    return this.length === undefined || this.length >= LARGE_BYTES;
  }

  get isStalled(): boolean {
    return this.#stalled.signal.aborted;
  }

  readonly open = (): AsyncIterable<Uint8Array> => this.#read();

  async *#read(): AsyncGenerator<Uint8Array> {
    const { from, to = Number.POSITIVE_INFINITY } = this.range;
    let position = from;
    if (from === to) return;
    const { listen, admit } = this.hooks;
    let pauseAt = FIRST_PAUSE_BYTES;
    for await (const chunk of this.source.read(from, this.signal)) {
      const part = chunk.subarray(0, Math.min(chunk.length, to - position));
      if (admit !== undefined) await admit(part.length);
      const timer = setTimeout(() => this.#stalled.abort(stallFault(this.hooks)), this.hooks.stallMs);
      try {
        yield part;
      } finally {
        clearTimeout(timer);
      }
      position += part.length;
      this.hooks.onPosition(position);
      if (position >= to) return;
      if (listen === undefined || position - from < pauseAt || pauseAt > listen.untilBytes) continue;
      pauseAt *= 2;
      await listen.pause();
    }
  }
}

export function stallFault({ destination, stallMs }: Pick<BodyHooks, "destination" | "stallMs">): RegistryFault {
  const message = `upload to ${destination} stopped moving for ${stallMs / 1000}s`;
  const details = { isTemporary: true, silentMs: stallMs, destination };
  return new RegistryFault("EXPORT_REGISTRY_STALLED", message, details);
}
