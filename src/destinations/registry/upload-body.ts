import type { GrowingBlob } from "../../engine/layer.ts";
import { RegistryFault } from "../../http/faults.ts";
import type { StreamedBody } from "../../http/transport.ts";

export interface BodyRange {
  readonly from: number;
  /** The end, exclusive; undefined: as far as the blob goes. */
  readonly to: number | undefined;
  readonly length: number | undefined;
}

/** The first pause of a body that listens; each further one comes at twice the bytes. */
const FIRST_PAUSE_BYTES = 128 << 10;

/** How a body takes part in its upload. */
export interface BodyHooks {
  readonly destination: string;
  /**
   * Longest time in ms that a connection may take none of the bytes that wait for it. How long all of an upload takes does
   * not matter, and waiting for bytes that are still being made does not count.
   */
  readonly stallMs: number;
  readonly admit: (bytes: number) => Promise<void>;
  /**
   * After a connection that broke while a body was on its way: gives the server time to say why before more is sent, because
   * a write to a connection that it has reset loses an answer that has not been read yet.
   */
  readonly listen?: { readonly pause: () => Promise<void>; readonly untilBytes: number } | undefined;
  /** Told where in the blob the connection has got to. */
  readonly onPosition: (position: number) => void;
}

/** A part of a blob as the body of a request, with a signal that fires when the connection stands still. */
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
