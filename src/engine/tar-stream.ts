import { Fault } from "../errors/fault.ts";
import type { BlockTaker } from "./pass.ts";

interface WaitingBlock {
  readonly bytes: Buffer;
  readonly taken: () => void;
}

/**
 * A layer's tar as a stream for one reader, at the reader's pace. Blocks wait in their slots until the reader asks for them,
 * and are copied out then; so memory is bounded by the slots, and a slot is free as soon as its bytes are on their way.
 */
export class TarStream implements BlockTaker {
  readonly isPaced = true;
  readonly #waiting: WaitingBlock[] = [];
  #end: { readonly kind: "complete" } | { readonly kind: "failed"; readonly reason: unknown } | undefined;
  #wake = Promise.withResolvers<void>();

  take(bytes: Buffer): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, taken: resolve });
    this.#wakeReader();
    return promise;
  }

  /** All blocks were taken, and the tar is what it should be. */
  complete(): void {
    this.#end ??= { kind: "complete" };
    this.#wakeReader();
  }

  /** What waits is dropped; the reader gets the reason. */
  fail(reason: unknown): void {
    this.#end ??= { kind: "failed", reason };
    for (const { taken } of this.#waiting.splice(0)) taken();
    this.#wakeReader();
  }

  /** All bytes in order, a block at a time; each chunk is the reader's own. To be called once. Rejects with what it failed with. */
  async *read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const block = this.#waiting.shift();
        if (block !== undefined) yield take(block);
        else if (this.#end?.kind === "failed") throw this.#end.reason;
        else if (this.#end?.kind === "complete") return;
        else await this.#wake.promise;
      }
    } finally {
      // A reader that leaves early does not hold up the rest.
      this.fail(new Fault("EXPORT_CANCELLED", "the reader of a layer's tar left before its end"));
    }
  }

  #wakeReader(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers<void>();
    resolve();
  }
}

function take({ bytes, taken }: WaitingBlock): Uint8Array {
  const chunk = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(chunk);
  taken();
  return chunk;
}
