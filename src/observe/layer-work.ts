import type { EventBody } from "./events.ts";
import type { BlockTimes, SpanSink } from "./span-sink.ts";

/** What a pass over a layer makes. */
export type LayerProduct = "diff-id" | "blob" | "tar-file" | "tar-stream";

/** What is being done for a layer. */
export type LayerState = "waiting" | "hashing" | "compressing" | "reading" | "made" | "failed";

/** A block as the thread that made it tells of it. */
interface BlockWork {
  /** Bytes of tar. */
  readonly length: number;
  /** Bytes of output; 0 when not compressed. */
  readonly outputLength: number;
  readonly times: BlockTimes;
}

/**
 * How far a layer is: numbers that whoever makes it keeps up to date, and that anybody may look at whenever they like. Sizes are
 * in bytes.
 */
export class LayerWork {
  readonly id: string;
  state: LayerState = "waiting";
  /** Of the uncompressed tar; undefined until it is scanned. */
  tarSize: number | undefined;
  /** Of tar that the current pass has made. */
  madeInPass = 0;
  /** Of tar that all passes made. */
  madeInAll = 0;
  /** Of the blob as far as it is made. */
  compressed = 0;
  isCompressed = false;
  /** What threads spent on it. */
  readMs = 0;
  encodeMs = 0;
  readonly #emit: (event: EventBody) => void;
  readonly #spans: SpanSink | undefined;

  /** @param spans for a timeline */
  constructor(id: string, emit: (event: EventBody) => void, spans?: SpanSink) {
    this.id = id;
    this.#emit = emit;
    this.#spans = spans;
  }

  /** The layer's files were looked at. @param tarSize bytes that its tar has */
  scanned(tarSize: number): void {
    this.tarSize ??= tarSize;
  }

  /** A pass begins. */
  begin(tarSize: number, makes: readonly LayerProduct[]): void {
    this.tarSize = tarSize;
    this.madeInPass = 0;
    if (!this.isCompressed) this.compressed = 0;
    this.state = makes.includes("blob") ? "compressing" : makes.includes("diff-id") ? "hashing" : "reading";
    this.#emit({ event: "layer-started", id: this.id, tarSize, makes: [...makes] });
  }

  /** A thread has made a block. */
  block(number: number, { length, outputLength, times }: BlockWork): void {
    this.madeInPass += length;
    this.madeInAll += length;
    this.readMs += times.readMs - times.startMs;
    this.encodeMs += times.endMs - times.readMs;
    if (!this.isCompressed) this.compressed += outputLength;
    this.#spans?.block(this.id, number, times);
  }

  /** A thread has digested a block. */
  digested(kind: "diff-id" | "blob", times: Omit<BlockTimes, "readMs">): void {
    this.#spans?.digest(this.id, kind, times);
  }

  /** The pass has made what it was to make. */
  made(products: {
    readonly diffId: string | undefined;
    readonly blob: { readonly sha256: string; readonly size: number } | undefined;
  }): void {
    const { diffId, blob } = products;
    const { id, tarSize = 0 } = this;
    this.state = "made";
    if (diffId !== undefined) this.#emit({ event: "layer-hashed", id, diffId, tarSize });
    if (blob === undefined) return;
    this.compressed = blob.size;
    this.isCompressed = true;
    this.#emit({ event: "layer-compressed", id, digest: `sha256:${blob.sha256}`, size: blob.size, tarSize });
  }
}
