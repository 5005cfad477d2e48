import type { GrowingBlob } from "../../engine/layer.ts";
import { RegistryFault } from "../../http/faults.ts";
import type { StreamedBody } from "../../http/http.ts";

export interface BodyRange {
  readonly from: number;
  /** The end, exclusive; undefined: as far as the blob goes. */
  readonly to: number | undefined;
  readonly length: number | undefined;
}

/** Who takes part in the sending, and who it is for. */
export interface BodyHooks {
  /** For the fault's message. */
  readonly destination: string;
  /**
   * Longest time in ms that a connection may take none of the bytes that wait for it. How long all of an upload takes does
   * not matter, and waiting for bytes that are still being made does not count.
   */
  readonly stallMs: number;
  /** Resolves when so many bytes may be sent. */
  readonly admit: (bytes: number) => Promise<void>;
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
    }
  }

  #stall(): void {
    const { destination, stallMs } = this.#hooks;
    const message = `upload to ${destination} stopped moving for ${stallMs / 1000}s`;
    this.#stalled.abort(new RegistryFault("EXPORT_REGISTRY_STALLED", message, { isTemporary: true, destination }));
  }
}
