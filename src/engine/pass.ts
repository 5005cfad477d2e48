import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  BLOCK_SIZE,
  type BlockDone,
  type BlockTask,
  blockCount,
  blockSource,
  type DigestBlock,
  type DigestDone,
  type DigestEnd,
  type DigestProgress,
  type LayerTar,
  rawBytes,
} from "../../workers/protocol.ts";
import { PriorityLimiter } from "../concurrency/limiter.ts";
import type { ByteString } from "../go/byte-string.ts";
import type { LayerWork } from "../observe/layer-work.ts";
import { combineCrc32 } from "../oci/gzip.ts";
import type { Rank } from "../plan/layers.ts";
import type { RunningDigest, WorkerPool } from "./pool.ts";
import type { Slot } from "./slots.ts";
import type { SpooledBlob } from "./spool.ts";
import { TouchedFiles } from "./touched-files.ts";

/**
 * Consumes a tar's blocks in order on the main thread, in parallel with the digests, which run in their own threads. A
 * consumer that waits for something outside the engine is paced: its pass holds at most half of the slots, so that a
 * slow reader leaves the other half to other layers.
 */
export interface BlockConsumer {
  readonly isPaced: boolean;
  /**
   * Settles when the bytes are no longer needed; until then they stay in their slot. Calls overlap. Never rejects: a
   * failed consumer does not stop the pass.
   * @param position of the first byte in the tar
   */
  consume(bytes: Buffer, position: number): Promise<void>;
  complete(): void;
  fail(reason: unknown): void;
}

export interface PassProducts {
  readonly diffId: boolean;
  readonly spool: Pick<SpooledBlob, "file" | "offset" | "grow"> | undefined;
  readonly consumers?: readonly BlockConsumer[];
  readonly work?: LayerWork;
}

export interface PassResult {
  readonly tarDigest: DigestDone | undefined;
  readonly blobDigest: DigestDone | undefined;
  readonly crc32: number;
  readonly touched: ByteString | undefined;
}

interface UndigestedBlock {
  readonly slot: Slot;
  readonly done: BlockDone;
}

export type PassPool = Pick<WorkerPool, "arena" | "slots" | "block" | "digest">;

/**
 * One pass over a layer: threads build blocks in any order; digests and consumers get them in order, each from the slot
 * it was built in. A slot is reused once every digest and consumer is done with it.
 * @throws the first fault of a block or a digest, once all slots are free again
 */
export async function runPass(
  pool: PassPool,
  tar: LayerTar,
  products: PassProducts,
  rank: Rank,
  signal: AbortSignal,
): Promise<PassResult> {
  const pass = new Pass(pool, tar, products);
  return await pass.run(rank, signal);
}

class Pass {
  readonly #pool: PassPool;
  readonly #tar: LayerTar;
  readonly #compress: boolean;
  readonly #diffId: RunningDigest | undefined;
  readonly #blob: RunningDigest | undefined;
  readonly #consumers: readonly BlockConsumer[];
  readonly #work: LayerWork | undefined;
  readonly #window: PriorityLimiter | undefined;
  readonly #undigested = new Map<number, UndigestedBlock>();
  readonly #running = new Set<Promise<void>>();
  readonly #consuming = new Set<Promise<void>>();
  readonly #users = new Map<number, { readonly slot: Slot; left: number }>();
  readonly #drains: (() => void)[] = [];
  readonly #failed = new AbortController();
  readonly #touched = new TouchedFiles();
  #nextToDigest = 0;
  #crc32 = 0;

  constructor(pool: PassPool, tar: LayerTar, products: PassProducts) {
    this.#pool = pool;
    this.#tar = tar;
    this.#compress = products.spool !== undefined;
    this.#consumers = products.consumers ?? [];
    this.#work = products.work;
    if (this.#consumers.some(({ isPaced }) => isPaced))
      this.#window = new PriorityLimiter(Math.ceil(pool.slots.size / 2));
    if (products.diffId) this.#diffId = this.#start("diff-id");
    if (products.spool !== undefined) {
      const spool = products.spool;
      this.#blob = this.#start("blob", spool, (size) => spool.grow(size));
    }
  }

  async run(rank: Rank, signal: AbortSignal): Promise<PassResult> {
    const stop = AbortSignal.any([signal, this.#failed.signal]);
    const failConsumers = () => {
      for (const consumer of this.#consumers) consumer.fail(stop.reason);
    };
    stop.addEventListener("abort", failConsumers);
    let complete = false;
    try {
      await this.#buildBlocks(rank, stop);
      await Promise.all(this.#running);
      stop.throwIfAborted();
      await this.#touched.verify((block) => this.#rebuild(block, rank, stop));
      complete = true;
    } catch (error) {
      this.#failed.abort(error);
      throw error;
    } finally {
      await this.#finish(complete);
      stop.removeEventListener("abort", failConsumers);
    }
    const [tarDigest, blobDigest] = await Promise.all([this.#diffId?.done, this.#blob?.done]);
    stop.throwIfAborted();
    return { tarDigest, blobDigest, crc32: this.#crc32, touched: this.#touched.example };
  }

  #digests(): RunningDigest[] {
    return [this.#diffId, this.#blob].filter((digest) => digest !== undefined);
  }

  #start(kind: "diff-id" | "blob", spool?: PassProducts["spool"], onSize?: (size: number) => void): RunningDigest {
    const digest = this.#pool.digest(kind, blockCount(this.#tar), spool);
    const onProgress = ({ slot, size, times }: DigestProgress): void => {
      this.#doneWith(slot);
      onSize?.(size);
      this.#work?.digested(kind, times);
    };
    digest.port.on("message", onProgress);
    this.#drains.push(() => drain(digest.port, onProgress));
    digest.done.catch((error: unknown) => this.#failed.abort(error));
    return digest;
  }

  async #buildBlocks(rank: Rank, stop: AbortSignal): Promise<void> {
    const count = blockCount(this.#tar);
    for (let block = 0; block < count; block++) {
      const slot = await this.#acquire(rank, stop);
      const task = this.#buildBlock(block, slot).finally(() => this.#running.delete(task));
      this.#running.add(task);
    }
  }

  async #acquire(rank: Rank, stop: AbortSignal): Promise<Slot> {
    const releaseWindow = await this.#window?.acquire(rank, stop);
    const { number, release } = await this.#pool.slots.acquire(rank, stop);
    const releaseBoth = (): void => {
      release();
      releaseWindow?.();
    };
    return { number, release: releaseBoth };
  }

  async #buildBlock(block: number, slot: Slot): Promise<void> {
    try {
      const done = await this.#pool.block(this.#task(block, slot, this.#compress));
      this.#work?.block(done);
      this.#touched.add(block, done);
      this.#undigested.set(block, { slot, done });
      this.#digestInOrder();
    } catch (error) {
      slot.release();
      this.#failed.abort(error);
    }
  }

  async #rebuild(block: number, rank: Rank, stop: AbortSignal): Promise<BlockDone> {
    const slot = await this.#acquire(rank, stop);
    try {
      return await this.#pool.block(this.#task(block, slot, false));
    } finally {
      slot.release();
    }
  }

  #task(block: number, slot: Slot, compress: boolean): BlockTask {
    return { kind: "block", tar: blockSource(this.#tar, block), block, slot: slot.number, compress };
  }

  #digestInOrder(): void {
    for (;;) {
      const next = this.#undigested.get(this.#nextToDigest);
      if (next === undefined) return;
      this.#undigested.delete(this.#nextToDigest);
      this.#handOut(next, this.#nextToDigest * BLOCK_SIZE);
      this.#nextToDigest += 1;
    }
  }

  #handOut({ slot, done }: UndigestedBlock, position: number): void {
    const { length, outputLength, crc32 } = done;
    this.#crc32 = combineCrc32(this.#crc32, crc32, length);
    const digests = this.#digests();
    this.#users.set(slot.number, { slot, left: digests.length + this.#consumers.length });
    const message: DigestBlock = { kind: "block", slot: slot.number, length, outputLength, crc32 };
    for (const { port } of digests) port.postMessage(message);
    for (const consumer of this.#consumers) {
      const bytes = rawBytes(this.#pool.arena, slot.number, length);
      const consuming = consumer.consume(bytes, position).then(() => {
        this.#consuming.delete(consuming);
        this.#doneWith(slot.number);
      });
      this.#consuming.add(consuming);
    }
  }

  /** One digest or consumer is done with a slot; the last one releases it. */
  #doneWith(slot: number): void {
    const user = this.#users.get(slot);
    if (user === undefined) return;
    user.left -= 1;
    if (user.left > 0) return;
    this.#users.delete(slot);
    user.slot.release();
  }

  async #finish(complete: boolean): Promise<void> {
    // After a failure, threads may still be using slots of this pass.
    if (!complete) await Promise.all(this.#running);
    const end: DigestEnd = { kind: "end", complete };
    for (const { port } of this.#digests()) port.postMessage(end);
    await Promise.allSettled([...this.#consuming, ...this.#digests().map(({ done }) => done)]);
    // A digest posts its progress before its result, which may be delivered first; closing drops what is left.
    if (complete) for (const drainPort of this.#drains) drainPort();
    for (const { port } of this.#digests()) port.close();
    for (const { slot } of [...this.#undigested.values(), ...this.#users.values()]) slot.release();
    this.#users.clear();
  }
}

function drain(port: MessagePort, onProgress: (progress: DigestProgress) => void): void {
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
    onProgress(next.message);
}
