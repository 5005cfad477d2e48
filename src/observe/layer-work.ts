import type { EventBody } from "./events.ts";
import type { BlockSink, BlockTimes, LayerProduct, WorkSink } from "./work-sink.ts";

export type LayerState = "waiting" | "hashing" | "compressing" | "reading" | "built" | "failed";

interface BlockWork {
  readonly length: number;
  readonly outputLength: number;
  readonly times: BlockTimes;
}

interface BuiltLayer {
  readonly diffId: string | undefined;
  readonly blob: { readonly sha256: string; readonly size: number } | undefined;
}

/** Progress of a layer: counters, in bytes, that its builder updates and observers poll. */
export class LayerWork {
  readonly id: string;
  state: LayerState = "waiting";
  tarSize: number | undefined;
  builtInPass = 0;
  builtInAll = 0;
  compressed = 0;
  isCompressed = false;
  isEarly = false;
  isReadyEarly = false;
  readMs = 0;
  encodeMs = 0;
  readonly #emit: (event: EventBody) => void;
  readonly #blockSink: BlockSink | undefined;
  readonly #workSink: WorkSink | undefined;

  constructor(id: string, emit: (event: EventBody) => void, blockSink?: BlockSink, workSink?: WorkSink) {
    this.id = id;
    this.#emit = emit;
    this.#blockSink = blockSink;
    this.#workSink = workSink;
  }

  scanned(tarSize: number): void {
    this.tarSize ??= tarSize;
  }

  begin(tarSize: number, products: readonly LayerProduct[]): void {
    this.tarSize = tarSize;
    this.builtInPass = 0;
    if (!this.isCompressed) this.compressed = 0;
    this.state = products.includes("blob") ? "compressing" : products.includes("diff-id") ? "hashing" : "reading";
    this.#emit({ event: "layer-started", id: this.id, tarSize, makes: [...products] });
    this.#workSink?.passBegan(this, products);
  }

  block({ length, outputLength, times }: BlockWork): void {
    this.builtInPass += length;
    this.builtInAll += length;
    this.readMs += times.readMs - times.startMs;
    this.encodeMs += times.endMs - times.readMs;
    if (!this.isCompressed) this.compressed += outputLength;
    this.#blockSink?.block(this.id, times);
    this.#workSink?.block(this.id, times);
  }

  digested(kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void {
    this.#blockSink?.digest(this.id, kind, times);
    this.#workSink?.digest(this.id, kind, times);
  }

  built({ diffId, blob }: BuiltLayer): void {
    const { id, tarSize = 0 } = this;
    this.state = "built";
    const early = this.isEarly ? ({ early: true } as const) : {};
    if (diffId !== undefined) this.#emit({ event: "layer-hashed", id, diffId, tarSize, ...early });
    if (blob !== undefined) {
      this.compressed = blob.size;
      this.isCompressed = true;
      const digest = `sha256:${blob.sha256}`;
      this.#emit({ event: "layer-compressed", id, digest, size: blob.size, tarSize, ...early });
    }
    this.#workSink?.passEnded(this, undefined);
  }

  builtEarly(
    { diffId, tarSize, blob }: BuiltLayer & { readonly diffId: string; readonly tarSize: number },
    isReady: boolean,
  ): void {
    this.isEarly = true;
    this.isReadyEarly = isReady;
    this.tarSize = tarSize;
    this.built({ diffId, blob });
  }

  fail(reason: unknown): void {
    this.state = "failed";
    this.#workSink?.passEnded(this, reason);
  }
}
