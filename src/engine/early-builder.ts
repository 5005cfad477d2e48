import {
  changedFault,
  type DigestDone,
  type StampedScan,
  type TarIndex,
  type TreeStamp,
} from "../../workers/protocol.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { PriorityLimiter } from "../concurrency/limiter.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import type { LayerWork } from "../observe/layer-work.ts";
import { APP_PRIORITY, type DirectorySource, type Priority, type Rank } from "../plan/layers.ts";
import { type PassPool, type PassResult, runPass } from "./pass.ts";
import type { WorkerPool } from "./pool.ts";
import { maxBlobSize, PendingSpool, SpooledBlob } from "./spool.ts";
import type { SpoolFiles } from "./spool-files.ts";

/**
 * The products of a layer that was begun while the build ran (docs/decisions/0012-early-export.md). The spool is
 * complete.
 */
export interface EarlyLayer {
  readonly tarDigest: DigestDone;
  readonly blob: { readonly spool: SpooledBlob; readonly done: DigestDone } | undefined;
}

/** A layer in progress. `blob` settles when its blob, which still grows, can be read; never if none is built. */
export interface EarlyBuild {
  readonly layer: Promise<EarlyLayer>;
  readonly blob: Promise<SpooledBlob>;
}

export interface ClaimedLayer extends EarlyLayer {
  /** False if the layer was still in progress when the build ended. */
  readonly isReady: boolean;
}

/** A layer whose tree has not changed; `layer` is undefined if building it failed. */
export interface EarlyClaim {
  readonly index: TarIndex;
  readonly layer: Promise<ClaimedLayer | undefined>;
}

/**
 * Early layers by key. Claiming one takes a stamp of the tree after the end of the build: a layer whose tree has
 * changed is dropped.
 */
export interface EarlyLayers {
  /** Drops the layers that the export does not plan. */
  keepOnly(keys: ReadonlySet<string>): void;
  has(key: string): boolean;
  claim(key: string, stamp: TreeStamp): EarlyClaim | undefined;
  /** Sent for layers that were not claimed. */
  readonly wastedBytes: number;
}

export interface WantedProducts {
  readonly expected: readonly string[];
  readonly blob: boolean;
  readonly priority: Priority;
}

interface EarlyPassProducts {
  readonly diffId: boolean;
  readonly blob: PendingSpool | undefined;
}

/** Builds layers on some of the export's compressing threads, for which V8 has then compiled the hot code. */
export class EarlyBuilder {
  readonly #pool: WorkerPool;
  readonly #limited: PassPool;
  readonly #threads: PriorityLimiter;
  readonly #spools: SpoolFiles;
  #otherThreads: number;

  constructor(pool: WorkerPool, threads: number, spools: SpoolFiles) {
    const { arena, slots, workers } = pool;
    this.#pool = pool;
    this.#threads = new PriorityLimiter(threads);
    this.#otherThreads = workers - threads;
    const block: PassPool["block"] = (task) => this.#onThread(() => pool.block(task));
    this.#limited = { arena, slots, block, digest: (...task) => pool.digest(...task) };
    this.#spools = spools;
  }

  /** Lets a layer in progress use all threads. */
  liftLimit(): void {
    this.#threads.widen(this.#otherThreads);
    this.#otherThreads = 0;
  }

  scan(source: DirectorySource, signal: AbortSignal): Promise<StampedScan> {
    return this.#onThread(() => untilAborted(this.#pool.scanStamped(source), signal), signal);
  }

  stamp(source: DirectorySource, signal: AbortSignal): Promise<TreeStamp> {
    return this.#onThread(() => untilAborted(this.#pool.stamp(source), signal), signal);
  }

  #onThread<Reply>(task: () => Promise<Reply>, signal?: AbortSignal): Promise<Reply> {
    return this.#threads.run({ priority: APP_PRIORITY }, task, signal);
  }

  /**
   * Hashes a layer, and compresses it unless its diffID is one of `expected`. The layer rejects with a Fault if a file
   * cannot be read, or changes meanwhile, and with the signal's reason.
   */
  build(wanted: WantedProducts, tar: TarIndex, work: LayerWork, signal: AbortSignal): EarlyBuild {
    const blob = new PendingSpool();
    return { layer: awaitedLater(this.#buildProducts(wanted, tar, blob, work, signal)), blob: blob.spool };
  }

  async #buildProducts(
    { expected, blob: isBlobWanted, priority }: WantedProducts,
    tar: TarIndex,
    blob: PendingSpool,
    work: LayerWork,
    signal: AbortSignal,
  ): Promise<EarlyLayer> {
    const isUnconditional = isBlobWanted && expected.length === 0;
    const pass = (products: EarlyPassProducts) => this.#pass(tar, products, { priority, order: 0 }, work, signal);
    const first = await pass({ diffId: true, blob: isUnconditional ? blob : undefined });
    const { tarDigest } = first;
    if (tarDigest === undefined) throw new Fault("EXPORT_INTERNAL", "a pass did not build the diffID");
    const isKnown = expected.includes(`sha256:${tarDigest.sha256}`);
    if (!isBlobWanted || isUnconditional || isKnown) return { tarDigest, blob: first.blob };
    const second = await pass({ diffId: false, blob });
    if (second.crc32 === tarDigest.crc32) return { tarDigest, blob: second.blob };
    await second.blob?.spool.release();
    throw new Fault("EXPORT_LAYER_CHANGED", "the layer's contents changed between hashing and compressing them");
  }

  async #pass(
    tar: TarIndex,
    { diffId, blob }: EarlyPassProducts,
    rank: Rank,
    work: LayerWork,
    signal: AbortSignal,
  ): Promise<Pick<EarlyLayer, "blob"> & Pick<PassResult, "tarDigest" | "crc32">> {
    try {
      const spool = await blob?.open(this.#openSpool(tar));
      const result = await runPass(this.#limited, tar, { diffId, spool, work }, rank, signal);
      if (result.touched !== undefined) throw changedFault(result.touched, "was written to");
      const { blobDigest: done } = result;
      if (spool === undefined || done === undefined) return { ...result, blob: undefined };
      blob?.complete(done);
      return { ...result, blob: { spool, done } };
    } catch (error) {
      blob?.fail(error);
      throw error;
    }
  }

  async #openSpool({ tarSize }: TarIndex): Promise<SpooledBlob> {
    return SpooledBlob.in(await this.#spools.open(maxBlobSize(this.#pool.arena, tarSize)));
  }
}
