import type { GrowingBlob } from "../../engine/layer.ts";
import { RegistryFault } from "../../http/faults.ts";
import type { StreamedBody } from "../../http/transport.ts";

export interface BodyRange {
  readonly from: number;
  readonly to: number | undefined;
  readonly length: number | undefined;
}

/** Bytes before the first pause of a listening body; the interval doubles with each pause. */
const FIRST_PAUSE_BYTES = 128 << 10;

/**
 * `stallMs` limits how long a connection may accept no bytes while some are ready: neither the duration of the whole
 * upload nor waiting for bytes still being built counts. After a connection broke mid-body, `listen` pauses to let the
 * server report an error, because writing to a connection that the server has reset discards an unread response.
 */
export interface BodyHooks {
  readonly destination: string;
  readonly stallMs: number;
  readonly admit: (bytes: number) => Promise<void>;
  readonly listen?: { readonly pause: () => Promise<void>; readonly untilBytes: number } | undefined;
  readonly onPosition: (position: number) => void;
}

export class UploadBody implements StreamedBody {
  readonly length: number | undefined;
  readonly signal: AbortSignal;
  readonly #blob: GrowingBlob;
  readonly #range: BodyRange;
  readonly #hooks: BodyHooks;
  readonly #stalled = new AbortController();

  constructor(blob: GrowingBlob, range: BodyRange, hooks: BodyHooks, signal: AbortSignal | undefined) {
    this.length = range.length;
    this.signal = signal === undefined ? this.#stalled.signal : AbortSignal.any([signal, this.#stalled.signal]);
    this.#blob = blob;
    this.#range = range;
    this.#hooks = hooks;
  }

  readonly open = (): AsyncIterable<Uint8Array> => this.#read();

  async *#read(): AsyncGenerator<Uint8Array> {
    const { from, to = Number.POSITIVE_INFINITY } = this.#range;
    let position = from;
    if (from === to) return;
    const { listen } = this.#hooks;
    let pauseAt = FIRST_PAUSE_BYTES;
    for await (const chunk of this.#blob.read(from, this.signal)) {
      const part = chunk.subarray(0, Math.min(chunk.length, to - position));
      await this.#hooks.admit(part.length);
      const timer = setTimeout(() => this.#stall(), this.#hooks.stallMs);
      try {
        yield part;
      } finally {
        clearTimeout(timer);
      }
      position += part.length;
      this.#hooks.onPosition(position);
      if (position >= to) return;
      if (listen === undefined || position - from < pauseAt || pauseAt > listen.untilBytes) continue;
      pauseAt *= 2;
      await listen.pause();
    }
  }

  #stall(): void {
    const { destination, stallMs } = this.#hooks;
    const message = `upload to ${destination} stopped moving for ${stallMs / 1000}s`;
    this.#stalled.abort(
      new RegistryFault("EXPORT_REGISTRY_STALLED", message, { isTemporary: true, silentMs: stallMs, destination }),
    );
  }
}
