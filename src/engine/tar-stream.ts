import { Condition } from "../concurrency/condition.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import type { BlockConsumer } from "./pass.ts";

interface WaitingBlock {
  readonly bytes: Buffer;
  readonly release: () => void;
}

/**
 * A layer's tar as a stream for one call of `read`, at the reader's pace. Blocks wait in their slots until the reader
 * asks for them, and are copied out then: the slots bound the memory, and a slot is free as soon as its bytes are sent
 * on. Start its pass only when there is a reader: unread streams could hold all slots and every pass.
 */
export class TarStream implements BlockConsumer {
  readonly isPaced = true;
  readonly ready: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  readonly #left = new AbortController();
  readonly #waiting: WaitingBlock[] = [];
  #end: { readonly kind: "complete" } | { readonly kind: "failed"; readonly reason: unknown } | undefined;
  readonly #changed = new Condition();

  constructor() {
    this.ready = awaitedLater(this.#ready.promise);
  }

  get left(): AbortSignal {
    return this.#left.signal;
  }

  consume(bytes: Buffer): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, release: resolve });
    this.#changed.notify();
    return promise;
  }

  complete(): void {
    this.#end ??= { kind: "complete" };
    this.#changed.notify();
  }

  fail(reason: unknown): void {
    this.#end ??= { kind: "failed", reason };
    this.#ready.reject(reason);
    for (const { release } of this.#waiting.splice(0)) release();
    this.#changed.notify();
  }

  decline(): void {
    this.#ready.resolve();
    this.#leave();
  }

  async *read(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const onAbort = () => this.fail(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    this.#ready.resolve();
    try {
      for (;;) {
        const block = this.#waiting.shift();
        if (block !== undefined) yield copyOut(block);
        else if (this.#end?.kind === "failed") throw this.#end.reason;
        else if (this.#end?.kind === "complete") return;
        else await this.#changed.next;
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#leave();
    }
  }

  #leave(): void {
    const fault = new Fault("EXPORT_CANCELLED", "the reader of a layer's tar stopped early");
    this.fail(fault);
    this.#left.abort(fault);
  }
}

function copyOut({ bytes, release }: WaitingBlock): Uint8Array {
  const chunk = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(chunk);
  release();
  return chunk;
}
