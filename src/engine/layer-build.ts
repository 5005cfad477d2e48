import { changedFault, type DigestDone, type LayerTar } from "../../workers/protocol.ts";
import { isBackground, type PriorityLimiter } from "../concurrency/limiter.ts";
import { Fault } from "../errors/fault.ts";
import type { LayerProduct, LayerWork } from "../observe/layer-work.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { DiffID, Digest } from "../oci/digest.ts";
import type { LayerPlan, Rank, TarFilePlan } from "../plan/layers.ts";
import { HeldTar } from "./held-tar.ts";
import type { GrowingBlob, Layer, LayerCounters, MadeTar } from "./layer.ts";
import { type PassEngine, type PassResult, runPass } from "./pass.ts";
import type { SpooledBlob } from "./spool.ts";
import { type DiskTurns, TarFile } from "./tar-file.ts";
import { TarStream } from "./tar-stream.ts";

/**
 * A blob before there is a spool for it. That is opened when the pass begins, so that layers that wait for their turn hold no
 * descriptor; it carries a later failure to those who follow it.
 */
export class Spooling {
  /** Settles when the pass begins. */
  readonly spool: Promise<SpooledBlob>;
  readonly #opened = Promise.withResolvers<SpooledBlob>();
  #spool: SpooledBlob | undefined;

  constructor() {
    this.spool = this.#opened.promise;
    // Nobody may ask for it before it fails.
    this.spool.catch(() => undefined);
  }

  /** @throws Fault when there can be no spool */
  async open(opening: Promise<SpooledBlob>): Promise<SpooledBlob> {
    this.#spool = await opening;
    this.#opened.resolve(this.#spool);
    return this.#spool;
  }

  complete({ sha256, size }: DigestDone): void {
    this.#spool?.complete({ digest: `sha256:${sha256}` as Digest, size });
  }

  fail(reason: unknown): void {
    this.#opened.reject(reason);
    this.#spool?.fail(reason);
  }
}

/** What all layers of an export share. */
export interface LayerEngine extends PassEngine {
  /** Bounds how many layers are made at once: of those that the app image takes, and of the rest, which waits for blocks anyway. */
  readonly passes: { readonly app: PriorityLimiter; readonly cache: PriorityLimiter };
  readonly disk: DiskTurns;
  readonly monitor: Monitor;
  /** @param tarSize bytes of the tar that the blob is made of */
  openSpool(plan: LayerPlan, tarSize: number): Promise<SpooledBlob>;
}

/** What one pass is to make. */
interface Products {
  readonly diffId?: boolean;
  readonly blob?: Spooling | undefined;
  readonly files?: readonly TarFile[];
  readonly stream?: TarStream;
}

/**
 * A layer that makes its products on demand, each once. The first pass makes the diffID, and with it all that the plan wants
 * and that nothing is known to compare with. What is asked for later is made in a second pass, together with all that by then
 * is known to be needed.
 */
export class MadeLayer implements Layer {
  readonly plan: LayerPlan;
  readonly diffId: Promise<DiffID>;
  readonly tarSize: Promise<number>;
  readonly counters: LayerCounters = {
    reads: 0,
    hashes: 0,
    compressions: 0,
    uploads: 0,
    tarFiles: 0,
    tarStreams: 0,
  };
  readonly work: LayerWork;
  readonly #engine: LayerEngine;
  readonly #tar: HeldTar;
  readonly #signal: AbortSignal;
  readonly #hashed = Promise.withResolvers<DigestDone>();
  readonly #files = new Map<string, TarFile>();
  #blob: Spooling | undefined;
  /** The first pass waits for a stream's reader. */
  #isForStream: boolean;
  #consumersLeft: number;

  constructor(plan: LayerPlan, tar: Promise<LayerTar>, engine: LayerEngine, signal: AbortSignal) {
    this.plan = plan;
    this.#engine = engine;
    this.work = engine.monitor.layer(plan.id);
    this.#tar = new HeldTar(tar);
    this.#signal = signal;
    this.#consumersLeft = plan.consumers;
    this.tarSize = this.#tar.size();
    this.diffId = this.#hashed.promise.then(diffIdOf);
    this.tarSize.then(
      (size) => this.work.scanned(size),
      () => undefined,
    );
    // Consumers await these when they get to the layer; a failure before that must not end the process.
    for (const promise of [this.tarSize, this.diffId]) promise.catch(() => undefined);
    this.#isForStream = plan.products.tarStream && plan.expected.length === 0;
    if (this.#isForStream) this.#awaitReader();
    else this.#first().catch(() => undefined);
  }

  async blob(): Promise<GrowingBlob> {
    const blob = this.#newBlob();
    if (blob !== undefined) this.#later(this.plan, { blob });
    return await (this.#blob as Spooling).spool;
  }

  async tarFile(directory: string, rank: Rank = this.plan): Promise<MadeTar> {
    let file = this.#files.get(directory);
    if (file === undefined) {
      file = this.#newFile(directory);
      this.#later(rank, { files: [file] });
    }
    return await file.done;
  }

  async *tarStream(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const stream = new TarStream();
    const fail = () => stream.fail(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", fail);
    const left = new AbortController();
    // Whoever waits for the first pass's other products gets them though the reader leaves.
    const pass = this.#isForStream ? this.#first(stream) : this.#streamAgain(stream, left.signal);
    pass.catch(() => undefined);
    try {
      yield* stream.read();
      await pass;
    } finally {
      signal?.removeEventListener("abort", fail);
      left.abort(new Fault("EXPORT_CANCELLED", "the reader of a layer's tar left before its end"));
    }
  }

  release(): void {
    this.#consumersLeft -= 1;
    if (this.#consumersLeft > 0) return;
    if (this.#isForStream) this.#hashed.reject(internal(`nobody read the tar of layer '${this.plan.id}'`));
    this.#tar.release();
    this.#blob?.spool.then(
      (spool) => spool.release(),
      () => undefined,
    );
  }

  /** Makes the diffID and all products that are wanted whatever it is. */
  async #first(stream?: TarStream): Promise<void> {
    this.#isForStream = false;
    const blob = this.plan.products.blob && this.plan.expected.length === 0 ? this.#newBlob() : undefined;
    const files = this.#newFiles(({ expected }) => expected.length === 0);
    const wanted = { diffId: true, blob, files, ...(stream === undefined ? {} : { stream }) };
    try {
      const { diffId } = await this.#make(wanted, this.plan, this.#signal);
      this.#hashed.resolve(made(diffId));
    } catch (error) {
      this.#hashed.reject(error);
      throw error;
    }
  }

  /** Makes in one pass what was asked for and what the plan wants besides, now that the diffID is known. */
  #later(rank: Rank, asked: Products): void {
    const make = async (): Promise<void> => {
      const first = await this.#hashed.promise;
      const files = [...(asked.files ?? []), ...this.#filesStillWanted(first)];
      await this.#make({ ...asked, files }, rank, this.#signal, first);
    };
    // Whoever asked awaits the product.
    make().catch((error: unknown) => failAll(asked, error));
  }

  async #streamAgain(stream: TarStream, left: AbortSignal): Promise<void> {
    try {
      const first = await this.#hashed.promise;
      const files = this.#filesStillWanted(first);
      const stop = files.length === 0 ? AbortSignal.any([this.#signal, left]) : this.#signal;
      await this.#make({ stream, files }, this.plan, stop, first);
    } catch (error) {
      stream.fail(error);
    }
  }

  #filesStillWanted(first: DigestDone): TarFile[] {
    return this.#newFiles(({ expected }) => !expected.includes(diffIdOf(first)));
  }

  /** The wait for a reader is over, too, when the tar cannot be made or the export ends. */
  #awaitReader(): void {
    const fail = (reason: unknown) => {
      if (this.#isForStream) this.#hashed.reject(reason);
    };
    this.tarSize.catch(fail);
    if (this.#signal.aborted) fail(this.#signal.reason);
    else this.#signal.addEventListener("abort", () => fail(this.#signal.reason), { once: true });
  }

  /** None where one was asked for already, which has a pass of its own. */
  #newBlob(): Spooling | undefined {
    if (this.#blob !== undefined) return undefined;
    this.#blob = new Spooling();
    return this.#blob;
  }

  /** Those of the plan's files that are neither made nor on their way. */
  #newFiles(isWanted: (file: TarFilePlan) => boolean): TarFile[] {
    return this.plan.products.tarFiles
      .filter((file) => !this.#files.has(file.directory) && isWanted(file))
      .map(({ directory }) => this.#newFile(directory));
  }

  #newFile(directory: string): TarFile {
    const file = new TarFile(directory, this.#engine.disk, this.plan.priority);
    this.#files.set(directory, file);
    return file;
  }

  /** One pass when it is the layer's turn. @param first of an earlier pass, whose bytes this one's must be */
  async #make(products: Products, rank: Rank, signal: AbortSignal, first?: DigestDone): Promise<PassResult> {
    const { diffId = false, blob, files = [], stream } = products;
    try {
      const { priority, order } = rank;
      const task = async (tar: LayerTar): Promise<PassResult> => {
        const spool = await blob?.open(this.#engine.openSpool(this.plan, tar.tarSize));
        const leave = files.length === 0 ? undefined : await this.#engine.disk.files.acquire(priority, order, signal);
        if (leave !== undefined) void Promise.allSettled(files.map(({ done }) => done)).then(leave);
        const opened: TarFile[] = [];
        for (const file of files) if (await file.open(tar.tarSize)) opened.push(file);
        const takers = stream === undefined ? opened : [...opened, stream];
        if (!diffId && spool === undefined && takers.length === 0) throw internal("no file of a pass could be opened");
        this.#count(products, opened.length);
        this.work.begin(tar.tarSize, productsOf({ diffId, blob, files: opened, ...(stream && { stream }) }));
        const wanted = { diffId, spool, takers, work: this.work };
        const result = await runPass(this.#engine, tar, wanted, rank, signal);
        if (first !== undefined && result.crc32 !== first.crc32) throw this.#changed(result);
        this.work.made({ diffId: result.diffId && diffIdOf(result.diffId), blob: result.blob });
        blob?.complete(made(result.blob));
        for (const taker of takers) taker.complete();
        return result;
      };
      const passes = this.#engine.passes[isBackground(rank) ? "cache" : "app"];
      return await this.#tar.pass((tar) => passes.run(priority, () => task(tar), order, signal));
    } catch (error) {
      this.work.state = "failed";
      failAll(products, error);
      throw error;
    }
  }

  #count({ diffId, blob, stream }: Products, files: number): void {
    this.counters.reads += 1;
    if (diffId) this.counters.hashes += 1;
    if (blob !== undefined) this.counters.compressions += 1;
    this.counters.tarFiles += files;
    if (stream !== undefined) this.counters.tarStreams += 1;
  }

  #changed({ touched }: PassResult): Fault {
    if (touched !== undefined) return changedFault(touched, "was written to");
    return new Fault(
      "EXPORT_LAYER_CHANGED",
      `contents of layer '${this.plan.id}' changed between hashing and compressing them`,
    );
  }
}

function productsOf({ diffId, blob, files = [], stream }: Products): LayerProduct[] {
  const made = { "diff-id": diffId, blob, "tar-file": files.length > 0, "tar-stream": stream };
  return Object.entries(made).flatMap(([product, isMade]) => (isMade ? [product as LayerProduct] : []));
}

function failAll({ blob, files = [], stream }: Products, reason: unknown): void {
  for (const product of [blob, ...files, stream]) product?.fail(reason);
}

function diffIdOf({ sha256 }: DigestDone): DiffID {
  return `sha256:${sha256}` as DiffID;
}

function internal(message: string): Fault {
  return new Fault("EXPORT_INTERNAL", message);
}

function made(done: DigestDone | undefined): DigestDone {
  if (done === undefined) throw internal("a pass did not make the product it was run for");
  return done;
}
