import {
  changedFault,
  type DigestDone,
  type StampedScan,
  type TarIndex,
  type TreeStamp,
} from "../../workers/protocol.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import type { LayerWork } from "../observe/layer-work.ts";
import type { DirectorySource } from "../plan/layers.ts";
import { type PassEngine, type PassResult, runPass } from "./pass.ts";
import type { WorkerPool } from "./pool.ts";
import { SlotPool } from "./slots.ts";
import { maxBlobSize, PendingSpool, SpooledBlob } from "./spool.ts";
import type { SpoolFiles } from "./spool-files.ts";

/**
 * The products of a layer that was begun while the build ran (docs/decisions/0012-early-export.md). The spool is
 * complete. `isReady` is false for a layer that was still being made when the build ended.
 */
export interface EarlyLayer {
  readonly diffId: DigestDone;
  readonly blob: { readonly spool: SpooledBlob; readonly done: DigestDone } | undefined;
}

/** A layer in progress. `blob` settles when its blob, which still grows, can be read; never if none is made. */
export interface EarlyBuild {
  readonly layer: Promise<EarlyLayer>;
  readonly blob: Promise<SpooledBlob>;
}

export interface ClaimedLayer extends EarlyLayer {
  readonly isReady: boolean;
}

/** A layer whose tree has not changed; `layer` is undefined if making it failed. */
export interface EarlyClaim {
  readonly index: TarIndex;
  readonly layer: Promise<ClaimedLayer | undefined>;
}

/**
 * Early layers by key. Claiming one takes a stamp of the tree after the end of the build: a layer whose tree has
 * changed is dropped.
 */
export interface EarlyLayers {
  has(key: string): boolean;
  claim(key: string, stamp: TreeStamp): EarlyClaim | undefined;
}

interface WantedProducts {
  readonly expected: readonly string[];
  readonly blob: boolean;
}

export class EarlyBuilder {
  readonly #engine: PassEngine;
  readonly #spools: SpoolFiles;

  constructor(pool: WorkerPool, spools: SpoolFiles) {
    this.#engine = { pool, slots: new SlotPool(pool.arena.slots) };
    this.#spools = spools;
  }

  scan(source: DirectorySource, signal: AbortSignal): Promise<StampedScan> {
    return untilAborted(this.#engine.pool.scanStamped(source), signal);
  }

  stamp(source: DirectorySource, signal: AbortSignal): Promise<TreeStamp> {
    return untilAborted(this.#engine.pool.stamp(source), signal);
  }

  /**
   * Hashes a layer, and compresses it unless its diffID is one of `expected`. The layer rejects with a Fault if a file
   * cannot be read, or changes meanwhile, and with the signal's reason.
   */
  build(wanted: WantedProducts, tar: TarIndex, work: LayerWork, signal: AbortSignal): EarlyBuild {
    const blob = new PendingSpool();
    return { layer: awaitedLater(this.#make(wanted, tar, blob, work, signal)), blob: blob.spool };
  }

  async #make(
    { expected, blob: isBlobWanted }: WantedProducts,
    tar: TarIndex,
    blob: PendingSpool,
    work: LayerWork,
    signal: AbortSignal,
  ): Promise<EarlyLayer> {
    const isUnconditional = isBlobWanted && expected.length === 0;
    const first = await this.#pass(tar, { diffId: true, blob: isUnconditional ? blob : undefined }, work, signal);
    const { diffId } = first;
    if (diffId === undefined) throw new Fault("EXPORT_INTERNAL", "a pass did not build the diffID");
    const isKnown = expected.includes(`sha256:${diffId.sha256}`);
    if (!isBlobWanted || isUnconditional || isKnown) return { diffId, blob: first.blob };
    const second = await this.#pass(tar, { diffId: false, blob }, work, signal);
    if (second.crc32 === diffId.crc32) return { diffId, blob: second.blob };
    await second.blob?.spool.release();
    throw new Fault("EXPORT_LAYER_CHANGED", "the layer's contents changed between hashing and compressing them");
  }

  async #pass(
    tar: TarIndex,
    { diffId, blob }: { readonly diffId: boolean; readonly blob: PendingSpool | undefined },
    work: LayerWork,
    signal: AbortSignal,
  ): Promise<Pick<EarlyLayer, "blob"> & Pick<PassResult, "diffId" | "crc32">> {
    try {
      const spool = await blob?.open(this.#openSpool(tar));
      const rank = { priority: 0, order: 0 };
      const result = await runPass(this.#engine, tar, { diffId, spool, work }, rank, signal);
      if (result.touched !== undefined) throw changedFault(result.touched, "was written to");
      const { blob: done } = result;
      if (spool === undefined || done === undefined) return { ...result, blob: undefined };
      blob?.complete(done);
      return { ...result, blob: { spool, done } };
    } catch (error) {
      blob?.fail(error);
      throw error;
    }
  }

  async #openSpool({ tarSize }: TarIndex): Promise<SpooledBlob> {
    const { arena } = this.#engine.pool;
    return SpooledBlob.in(await this.#spools.open(maxBlobSize(arena, tarSize)));
  }
}
