import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import { Fault, messageOf } from "../faults/fault.ts";
import { fromWire } from "../faults/wire.ts";
import type { DiffID } from "../oci/digest.ts";
import type { LocalSource } from "../plan/layer-plan.ts";
import { type Arena, createArena } from "./arena.ts";
import { arenaNeeds, type Compression } from "./block-encoder.ts";
import { DigesterThreads } from "./digester-threads.ts";
import type { ForeignBlob } from "./foreign-tar/copy-tar.ts";
import type {
  BlockDone,
  BlockTask,
  CompressorReply,
  CompressorSetup,
  CompressorTask,
  CopyDone,
  DigestDone,
  DigesterReply,
  DigestTask,
  HashFileDone,
  ScanDone,
  TaskFailed,
} from "./messages.ts";
import { slotCount } from "./slot-pool.ts";
import type { SpooledBlob } from "./spool.ts";
import type { StoredTar } from "./stored-tar.ts";
import type { TarIndex } from "./tar-index.ts";
import { ownThreadOptions } from "./thread-options.ts";

/**
 * How long one compressing thread works alone, in ms, unless there is a layer of more than one block before. Threads that start
 * at once get in each other's way, and a small export is over before the second one has started.
 */
const ALONE_MS = 200;

/** Where a digest appends the blob. */
type BlobSpool = Pick<SpooledBlob, "fileDescriptor" | "offset">;

/** A digest that goes on in a thread while its blocks are posted to `port`. */
export interface RunningDigest {
  readonly port: MessagePort;
  readonly done: Promise<DigestDone>;
}

/** Where the thread entries are: TypeScript in development, bundles in a release. */
export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

/** The threads that do the engine's work: `workers` of them scan, read and compress; one or two more hash. */
export class WorkerPool {
  readonly arena: Arena;
  readonly #compressors: Piscina<CompressorTask, CompressorReply>;
  readonly #digesters: DigesterThreads;
  /** Those who wait for an answer. When a thread dies all are told, since it may have been theirs. */
  readonly #waiting = new Set<(fault: Fault) => void>();
  #death: Fault | undefined;
  readonly #workers: number;
  readonly #startTimer: NodeJS.Timeout;
  #isClosing = false;

  constructor(entries: WorkerEntries, workers: number, compression: Compression) {
    this.arena = createArena(slotCount(workers), workers, arenaNeeds(compression));
    const compressorSetup: CompressorSetup = { arena: this.arena, compression };
    this.#compressors = started(
      () =>
        new Piscina({
          filename: entries.compressor,
          workerData: compressorSetup,
          minThreads: 1,
          maxThreads: 1,
          // Tasks of this pool leave nothing running when they end, so a thread may sleep between them.
          atomics: "sync",
          ...ownThreadOptions(),
        }),
    );
    // Piscina forgets abandoned tasks, and then takes the answer of one that was just ending for an error.
    const onError = (error: unknown): void => this.#bury(error);
    this.#compressors.on("error", onError);
    this.#workers = workers;
    this.#startTimer = setTimeout(() => this.#startAll(), ALONE_MS);
    this.#digesters = started(
      () => new DigesterThreads(entries.digester, { arena: this.arena, format: compression.kind }, onError),
    );
  }

  /** @throws Fault of the scan, rebuilt from the thread's. */
  async scan(source: LocalSource): Promise<readonly TarIndex[]> {
    const done = unwrap<ScanDone>(await this.#answerOf(this.#compressors.run({ kind: "scan", source })));
    return done.indexes;
  }

  /**
   * Copies a foreign tar.
   * @param spool descriptor of an empty file
   * @throws Fault of the copy, e.g. a corrupt blob
   */
  async copy(source: ForeignBlob, spool: number): Promise<StoredTar> {
    const { tarSize } = unwrap<CopyDone>(await this.#answerOf(this.#compressors.run({ kind: "copy", source, spool })));
    return { fileDescriptor: spool, tarSize };
  }

  /** @throws Fault of the block, e.g. a file that changed. */
  async block(task: BlockTask): Promise<BlockDone> {
    return unwrap<BlockDone>(await this.#answerOf(this.#compressors.run(task)));
  }

  /** Starts a digest task on the less busy thread. @param blocks of the layer: one is not worth a thread more */
  digest(kind: DigestTask["kind"], blocks: number, spool?: BlobSpool): RunningDigest {
    if (blocks > 1) this.#startAll();
    const { port1, port2 } = new MessageChannel();
    const task: DigestTask = { kind, port: port2, spool: spool?.fileDescriptor ?? -1, offset: spool?.offset ?? 0 };
    const answer = this.#answerOf(this.#digesters.run(task, blocks > 1, port2));
    const done = answer.then((reply) => unwrap<DigestDone>(reply));
    return { port: port1, done };
  }

  /** Hashes a file on the less busy digesting thread. @throws Fault `read <path>: ...` */
  async hashFile(path: string): Promise<DiffID> {
    const { sha256 } = unwrap<HashFileDone>(
      await this.#answerOf(this.#digesters.run({ kind: "hash-file", path }, true)),
    );
    return `sha256:${sha256}` as DiffID;
  }

  #startAll(): void {
    clearTimeout(this.#startTimer);
    const { options } = this.#compressors;
    try {
      options.maxThreads = this.#workers;
      options.minThreads = this.#workers;
    } catch (error) {
      this.#bury(error);
    }
  }

  /** A thread answers every task, also with what went wrong; a task that fails by itself has lost its thread. */
  async #answerOf<Reply>(answer: Promise<Reply>): Promise<Reply> {
    answer.catch((error: unknown) => this.#bury(error));
    if (this.#death !== undefined) throw this.#death;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.add(reject);
    answer.then(resolve, () => undefined);
    return await promise.finally(() => this.#waiting.delete(reject));
  }

  /** Whoever still waits when the threads are ended has been left by then. */
  #bury(error: unknown): void {
    if (this.#isClosing) return;
    this.#death ??= deathFault(error);
    for (const reject of this.#waiting) reject(this.#death);
  }

  /** Ends all threads; tasks that still run are abandoned. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#startTimer);
    await Promise.all([this.#compressors.destroy(), this.#digesters.close()]);
  }
}

/** @throws Fault when the first thread cannot be started */
function started<Threads>(start: () => Threads): Threads {
  try {
    return start();
  } catch (error) {
    throw deathFault(error);
  }
}

function deathFault(error: unknown): Fault {
  return new Fault("EXPORT_LAYER_THREAD", `a worker thread died: ${messageOf(error)}`, {
    cause: error,
    hint: "Give the export more memory, or fewer threads with -workers.",
  });
}

function unwrap<Done extends { readonly kind: string }>(
  reply: Done | TaskFailed | CompressorReply | DigesterReply,
): Done {
  if (reply.kind === "failed") throw fromWire((reply as TaskFailed).fault);
  return reply as Done;
}
