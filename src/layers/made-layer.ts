import { Fault } from "../faults/fault.ts";
import type { PriorityLimiter } from "../flow/priority-limiter.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import type { LayerPlan } from "../plan/layer-plan.ts";
import type { GrowingBlob, Layer, LayerCounters } from "./layer.ts";
import type { DigestDone } from "./messages.ts";
import { type PassEngine, type PassProducts, type PassResult, runPass } from "./pass.ts";
import { SpooledBlob } from "./spool.ts";
import type { TarIndex } from "./tar-index.ts";

/** What all layers of an export share. */
export interface LayerEngine extends PassEngine {
  /** Bounds how many layers are made at once. */
  readonly passes: PriorityLimiter;
  readonly spoolDir: string;
}

/**
 * A layer that makes its products on demand, each once. With nothing to compare with, it is hashed and compressed in one
 * pass that starts at once; otherwise it is hashed first and compressed only when somebody asks for the blob.
 */
export class MadeLayer implements Layer {
  readonly plan: LayerPlan;
  readonly diffId: Promise<DiffID>;
  readonly tarSize: Promise<number>;
  readonly counters: LayerCounters = { reads: 0, hashes: 0, compressions: 0, uploads: 0 };
  readonly #engine: LayerEngine;
  readonly #index: Promise<TarIndex>;
  readonly #signal: AbortSignal;
  #hashed: Promise<DigestDone>;
  #blob: Promise<SpooledBlob> | undefined;
  #consumersLeft: number;

  constructor(plan: LayerPlan, index: Promise<TarIndex>, engine: LayerEngine, signal: AbortSignal) {
    this.plan = plan;
    this.#engine = engine;
    this.#index = index;
    this.#signal = signal;
    this.#consumersLeft = plan.consumers;
    this.tarSize = index.then(({ tarSize }) => tarSize);
    this.#hashed = plan.expected.length > 0 ? this.#hash() : this.#hashAndCompress();
    this.diffId = this.#hashed.then(({ sha256 }) => `sha256:${sha256}` as DiffID);
    // Consumers await these when they get to the layer; a failure before that must not end the process.
    for (const promise of [this.tarSize, this.diffId]) promise.catch(() => undefined);
  }

  async blob(): Promise<GrowingBlob> {
    this.#blob ??= this.#compress();
    return await this.#blob;
  }

  release(): void {
    this.#consumersLeft -= 1;
    if (this.#consumersLeft > 0) return;
    this.#blob?.then(
      (spool) => spool.release(),
      () => undefined,
    );
  }

  async #hash(): Promise<DigestDone> {
    const { diffId } = await this.#inTurn((index) => this.#pass(index, { diffId: true, spool: undefined }));
    return made(diffId);
  }

  async #hashAndCompress(): Promise<DigestDone> {
    const { opened, promise } = opening();
    this.#blob = promise;
    const { diffId } = await this.#fill(opened, true);
    return made(diffId);
  }

  #compress(): Promise<SpooledBlob> {
    const { opened, promise } = opening();
    this.#hashed.then((first) => this.#fill(opened, false, first)).catch(opened.reject);
    return promise;
  }

  /**
   * Compresses in one pass. The spool is opened when the pass begins, so that layers that wait for their turn hold no
   * descriptor; it carries a later failure to those who follow it.
   */
  async #fill(opened: Opened, diffId: boolean, first?: DigestDone): Promise<PassResult> {
    let spool: SpooledBlob | undefined;
    try {
      return await this.#inTurn(async (index) => {
        spool = await SpooledBlob.create(this.#engine.spoolDir);
        opened.resolve(spool);
        const result = await this.#pass(index, { diffId, spool });
        const blob = made(result.blob);
        if (first !== undefined && blob.crc32 !== first.crc32) throw this.#changed();
        spool.complete({ digest: `sha256:${blob.sha256}` as Digest, size: blob.size });
        return result;
      });
    } catch (error) {
      opened.reject(error);
      spool?.fail(error);
      throw error;
    }
  }

  async #inTurn<T>(task: (index: TarIndex) => Promise<T>): Promise<T> {
    const index = await this.#index;
    const { priority, order } = this.plan;
    return await this.#engine.passes.run(priority, () => task(index), order, this.#signal);
  }

  async #pass(index: TarIndex, products: PassProducts): Promise<PassResult> {
    this.counters.reads += 1;
    if (products.diffId) this.counters.hashes += 1;
    if (products.spool !== undefined) this.counters.compressions += 1;
    return await runPass(this.#engine, index, products, this.plan, this.#signal);
  }

  #changed(): Fault {
    return new Fault(
      "EXPORT_LAYER_CHANGED",
      `contents of layer '${this.plan.id}' changed between hashing and compressing them`,
      { hint: "Make sure that nothing writes to the layers and app directories during the export." },
    );
  }
}

/** A spool that is yet to be opened. */
type Opened = Pick<PromiseWithResolvers<SpooledBlob>, "resolve" | "reject">;

function opening(): { readonly opened: Opened; readonly promise: Promise<SpooledBlob> } {
  const { promise, resolve, reject } = Promise.withResolvers<SpooledBlob>();
  // Nobody may ask for it before it fails.
  promise.catch(() => undefined);
  return { opened: { resolve, reject }, promise };
}

function made(done: DigestDone | undefined): DigestDone {
  if (done === undefined) throw new Fault("EXPORT_INTERNAL", "a pass did not make the product it was run for");
  return done;
}
