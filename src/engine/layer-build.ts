import { changedFault, type DigestDone, isStored, type LayerTar } from "../../workers/protocol.ts";
import { untilAborted } from "../concurrency/abort.ts";
import { isBackground, type PriorityLimiter } from "../concurrency/limiter.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import { Fault } from "../errors/fault.ts";
import type { LayerWork } from "../observe/layer-work.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { LayerProduct } from "../observe/work-sink.ts";
import type { DiffID } from "../oci/digest.ts";
import { CACHE_PRIORITY, type LayerPlan, type Rank, type TarFilePlan } from "../plan/layers.ts";
import type { ClaimedLayer } from "./early-builder.ts";
import type { FinishedTar, GrowingBlob, Layer, LayerCounters } from "./layer.ts";
import { type PassResult, runPass } from "./pass.ts";
import type { WorkerPool } from "./pool.ts";
import { PendingSpool, type SpooledBlob } from "./spool.ts";
import { closeSpoolFile } from "./spool-files.ts";
import { type DiskLimiters, TarFile } from "./tar-file.ts";
import { TarStream } from "./tar-stream.ts";

export interface LayerEngine {
  readonly pool: WorkerPool;
  readonly passes: { readonly app: PriorityLimiter; readonly cache: PriorityLimiter };
  readonly disk: DiskLimiters;
  readonly monitor: Monitor;
  openSpool(plan: LayerPlan, tarSize: number): Promise<SpooledBlob>;
}

interface Products {
  readonly diffId: boolean;
  readonly blob: PendingSpool | undefined;
  readonly files: readonly TarFile[];
  readonly stream: TarStream | undefined;
}

const NOTHING: Products = { diffId: false, blob: undefined, files: [], stream: undefined };

/**
 * Builds a layer's products, each once. The first pass computes the diffID and every planned product that has nothing
 * to be compared with. Products requested later share a second pass with those that the diffID shows to be needed.
 */
export class LayerBuild implements Layer {
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
  readonly #early: Promise<ClaimedLayer | undefined>;
  readonly #signal: AbortSignal;
  readonly #hashed = Promise.withResolvers<DigestDone>();
  readonly #files = new Map<string, TarFile>();
  #blob: PendingSpool | undefined;
  #plannedStream: TarStream | undefined;
  #consumersLeft: number;

  constructor(
    plan: LayerPlan,
    tar: Promise<LayerTar>,
    engine: LayerEngine,
    signal: AbortSignal,
    early: Promise<ClaimedLayer | undefined> = Promise.resolve(undefined),
  ) {
    this.plan = plan;
    this.#engine = engine;
    this.work = engine.monitor.layer(plan.id);
    this.#tar = new HeldTar(tar);
    this.#early = awaitedLater(early);
    this.#signal = signal;
    this.#consumersLeft = plan.consumers;
    this.tarSize = awaitedLater(this.#tar.size());
    this.diffId = awaitedLater(this.#hashed.promise.then(diffIdOf));
    this.tarSize.then(
      (size) => this.work.scanned(size),
      () => undefined,
    );
    this.#early.then(
      (layer) => layer && this.#adopt(layer),
      () => undefined,
    );
    this.#runFirst();
  }

  async hash(): Promise<DiffID> {
    this.#plannedStream?.decline();
    this.#plannedStream = undefined;
    return await this.diffId;
  }

  async blob(): Promise<GrowingBlob> {
    const blob = this.#newBlob();
    if (blob !== undefined) this.#runLater(this.plan, { ...NOTHING, blob });
    return await (this.#blob as PendingSpool).spool;
  }

  async tarFile(directory: string, rank: Rank = this.plan): Promise<FinishedTar> {
    let file = this.#files.get(directory);
    if (file === undefined) {
      file = this.#newFile(directory);
      this.#runLater(rank, { ...NOTHING, files: [file] });
    }
    return await file.done;
  }

  async *tarStream(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    const stream = this.#plannedStream ?? new TarStream();
    if (stream !== this.#plannedStream) this.#runLater(this.plan, { ...NOTHING, stream });
    this.#plannedStream = undefined;
    yield* stream.read(signal);
  }

  release(): void {
    this.#consumersLeft -= 1;
    if (this.#consumersLeft <= 0) this.free();
  }

  /** Frees the layer for its remaining consumers, too. Idempotent; readers are not interrupted. */
  free(): void {
    this.#tar.release();
    this.#plannedStream?.fail(internal(`the tar of layer '${this.plan.id}' was never read`));
    this.#blob?.spool.then(
      (spool) => spool.release(),
      () => undefined,
    );
    // Nothing requests the blob of a layer that an image already has.
    this.#early.then(
      (layer) => layer?.blob?.spool.release(),
      () => undefined,
    );
  }

  #adopt({ tarDigest, blob, isReady }: ClaimedLayer): void {
    this.counters.hashes += 1;
    if (blob !== undefined) this.counters.compressions += 1;
    this.work.builtEarly({ diffId: diffIdOf(tarDigest), tarSize: tarDigest.size, blob: blob?.done }, isReady);
    this.#hashed.resolve(tarDigest);
  }

  #runFirst(): void {
    const { products, expected } = this.plan;
    const isUnconditional = expected.length === 0;
    if (products.tarStream && isUnconditional) this.#plannedStream = new TarStream();
    const first: Products = {
      diffId: true,
      blob: products.blob && isUnconditional ? this.#newBlob() : undefined,
      files: this.#newFiles((file) => file.expected.length === 0),
      stream: this.#plannedStream,
    };
    this.#buildProducts(first, this.plan).then(
      (tarDigest) => this.#hashed.resolve(required(tarDigest)),
      (error: unknown) => this.#hashed.reject(error),
    );
  }

  #runLater(rank: Rank, requested: Products): void {
    const run = async (): Promise<void> => {
      const hashed = await this.#hashed.promise;
      const changed = this.#newFiles(({ expected }) => !expected.includes(diffIdOf(hashed)));
      await this.#buildProducts({ ...requested, files: [...requested.files, ...changed] }, rank, hashed);
    };
    // A failure fails only the requested products.
    run().catch((error: unknown) => failAll(requested, error));
  }

  #newBlob(): PendingSpool | undefined {
    if (this.#blob !== undefined) return undefined;
    this.#blob = new PendingSpool();
    return this.#blob;
  }

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

  /** @returns the digest of the tar, if its diffID is one of the products */
  async #buildProducts(products: Products, rank: Rank, hashed?: DigestDone): Promise<DigestDone | undefined> {
    try {
      return await this.#tar.pass(async (tar) => {
        const early = await this.#early;
        if (early === undefined) return await this.#runInTurn(tar, products, rank, hashed);
        if (early.blob !== undefined) products.blob?.takeOver(early.blob.spool);
        const left = { ...products, diffId: false, blob: early.blob === undefined ? products.blob : undefined };
        // A pass for tar files alone serves the cache, which must not delay the app image.
        const isForCache = left.blob === undefined && left.stream === undefined;
        const ownRank = isForCache ? { ...rank, priority: CACHE_PRIORITY } : rank;
        if (namesOf(left).length > 0) await this.#runInTurn(tar, left, ownRank, early.tarDigest);
        return early.tarDigest;
      });
    } catch (error) {
      this.work.fail(error);
      failAll(products, error);
      throw error;
    }
  }

  async #runInTurn(
    tar: LayerTar,
    products: Products,
    rank: Rank,
    hashed: DigestDone | undefined,
  ): Promise<DigestDone | undefined> {
    const { diffId, blob, files, stream } = products;
    const isForReader = !diffId && blob === undefined && files.length === 0;
    const stop = isForReader && stream !== undefined ? AbortSignal.any([this.#signal, stream.left]) : this.#signal;
    const passes = this.#engine.passes[isBackground(rank) ? "cache" : "app"];
    if (stream !== undefined) await untilAborted(stream.ready, stop);
    return await passes.run(rank, () => this.#pass(tar, products, rank, stop, hashed), stop);
  }

  async #pass(
    tar: LayerTar,
    products: Products,
    rank: Rank,
    signal: AbortSignal,
    hashed: DigestDone | undefined,
  ): Promise<DigestDone | undefined> {
    const { diffId, blob, stream } = products;
    const spool = await blob?.open(this.#engine.openSpool(this.plan, tar.tarSize));
    const files = await this.#openFiles(products.files, tar.tarSize, rank, signal);
    const consumers = stream === undefined ? files : [...files, stream];
    if (!diffId && spool === undefined && consumers.length === 0) throw internal("no file of a pass could be opened");
    const opened = { ...products, files };
    this.#count(opened);
    this.work.begin(tar.tarSize, namesOf(opened));
    const result = await runPass(this.#engine.pool, tar, { diffId, spool, consumers, work: this.work }, rank, signal);
    if (hashed !== undefined && result.crc32 !== hashed.crc32) throw this.#changed(result);
    const { tarDigest, blobDigest } = result;
    this.work.built({ diffId: tarDigest && diffIdOf(tarDigest), blob: blobDigest });
    blob?.complete(required(blobDigest));
    for (const consumer of consumers) consumer.complete();
    return tarDigest;
  }

  async #openFiles(files: readonly TarFile[], tarSize: number, rank: Rank, signal: AbortSignal): Promise<TarFile[]> {
    if (files.length === 0) return [];
    const release = await this.#engine.disk.files.acquire(rank, signal);
    void Promise.allSettled(files.map(({ done }) => done)).then(release);
    const opened: TarFile[] = [];
    for (const file of files) if (await file.open(tarSize)) opened.push(file);
    return opened;
  }

  #count({ diffId, blob, files, stream }: Products): void {
    this.counters.reads += 1;
    if (diffId) this.counters.hashes += 1;
    if (blob !== undefined) this.counters.compressions += 1;
    this.counters.tarFiles += files.length;
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

function namesOf({ diffId, blob, files, stream }: Products): LayerProduct[] {
  const names: (LayerProduct | false)[] = [
    diffId && "diff-id",
    blob !== undefined && "blob",
    files.length > 0 && "tar-file",
    stream !== undefined && "tar-stream",
  ];
  return names.filter((name) => name !== false);
}

function failAll({ blob, files, stream }: Products, reason: unknown): void {
  for (const product of [blob, ...files, stream]) product?.fail(reason);
}

function diffIdOf({ sha256 }: DigestDone): DiffID {
  return `sha256:${sha256}` as DiffID;
}

function internal(message: string): Fault {
  return new Fault("EXPORT_INTERNAL", message);
}

function required(done: DigestDone | undefined): DigestDone {
  if (done === undefined) throw internal("a pass did not build the requested product");
  return done;
}

/** A layer's tar while the layer is needed. A stored tar is freed when the last pass over it has ended. */
class HeldTar {
  readonly #tar: Promise<LayerTar>;
  #passes = 0;
  #isReleased = false;
  #isFreed = false;

  constructor(tar: Promise<LayerTar>) {
    this.#tar = awaitedLater(tar);
  }

  async size(): Promise<number> {
    return (await this.#tar).tarSize;
  }

  async pass<T>(run: (tar: LayerTar) => Promise<T>): Promise<T> {
    // A closed descriptor's number may already refer to another file.
    if (this.#isFreed) throw internal("a layer's tar was read after its release");
    this.#passes += 1;
    try {
      return await run(await this.#tar);
    } finally {
      this.#passes -= 1;
      this.#freeIfUnused();
    }
  }

  release(): void {
    this.#isReleased = true;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    if (!this.#isReleased || this.#passes > 0 || this.#isFreed) return;
    this.#isFreed = true;
    this.#tar.then(
      (tar) => (isStored(tar) ? closeSpoolFile(tar.fileDescriptor) : undefined),
      () => undefined,
    );
  }
}
