import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { MessageChannel, type MessagePort, type ResourceLimits } from "node:worker_threads";
import { Piscina } from "piscina";
import {
  type Arena,
  type BlockDone,
  type BlockTask,
  type Compression,
  type CompressorReply,
  type CompressorSetup,
  type CompressorTask,
  type CopyDone,
  createArena,
  type DigestDone,
  type DigesterReply,
  type DigesterSetup,
  type DigesterTask,
  type DigestTask,
  type HashFileDone,
  type LayoutBlob,
  type ScanDone,
  type StoredTar,
  type TarIndex,
  type TaskFailed,
} from "../../workers/protocol.ts";
import { Fault, messageOf } from "../errors/fault.ts";
import { fromWire } from "../errors/wire.ts";
import type { DiffID } from "../oci/digest.ts";
import type { LocalSource } from "../plan/layers.ts";
import { arenaNeeds } from "./compression.ts";
import { slotCount } from "./slots.ts";
import type { SpooledBlob } from "./spool.ts";

/**
 * In MiB. The young generation is V8's smallest: few objects outlive a message here. The limit of the old generation is
 * never reached, but without it V8 maps its built-in code again for each thread: 2 MB that count as resident. The code
 * range is address space only.
 */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 2047, codeRangeSizeMb: 64 };

/**
 * Piscina options that bound the threads' heaps and keep the process's `--import`, `NODE_OPTIONS` and `PISCINA_*` out
 * of them.
 */
interface OwnThreadOptions {
  readonly execArgv: string[];
  readonly env: Record<string, string>;
  readonly resourceLimits: ResourceLimits;
}

/** Threads still share the process's compile cache: it saves 4 ms per thread. */
function ownThreadOptions(): OwnThreadOptions {
  const directory = getCompileCacheDir();
  const env = { NODE_COMPILE_CACHE: dirname(directory ?? ""), NODE_COMPILE_CACHE_PORTABLE: "1" };
  return { execArgv: [], env: directory === undefined ? {} : env, resourceLimits: THREAD_LIMITS };
}

const MOST_THREADS = 2;

const TASKS_PER_THREAD = 1024;

type Pool = Piscina<DigesterTask, DigesterReply>;
type TransferList = NonNullable<NonNullable<Parameters<Pool["run"]>[1]>["transferList"]>;

interface Thread {
  readonly pool: Pool;
  running: number;
}

/** The hashing threads. One starts at once, the second with the first task long enough to pay for its start. */
export class DigesterThreads {
  readonly #filename: string;
  readonly #setup: DigesterSetup;
  readonly #onError: (error: unknown) => void;
  readonly #threads: Thread[] = [];

  constructor(filename: string, setup: DigesterSetup, onError: (error: unknown) => void) {
    this.#filename = filename;
    this.#setup = setup;
    this.#onError = onError;
    this.#start();
  }

  /**
   * Runs a task on the less busy thread.
   * @param isLong true if the task pays for starting a thread
   */
  async run(task: DigesterTask, isLong: boolean, port?: MessagePort): Promise<DigesterReply> {
    const thread = this.#choose(isLong);
    thread.running += 1;
    try {
      // Piscina takes an array, but its types name the last overload of Node's postMessage, which has an options object.
      return await thread.pool.run(task, port === undefined ? {} : { transferList: [port] as unknown as TransferList });
    } finally {
      thread.running -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ pool }) => pool.destroy()));
  }

  #choose(isLong: boolean): Thread {
    const least = this.#threads.reduce((best, thread) => (thread.running < best.running ? thread : best));
    return isLong && least.running > 0 && this.#threads.length < MOST_THREADS ? this.#start() : least;
  }

  #start(): Thread {
    const pool: Pool = new Piscina({
      filename: this.#filename,
      workerData: this.#setup,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      // Digest tasks receive messages, which a sleeping thread would miss.
      atomics: "disabled",
      ...ownThreadOptions(),
    });
    pool.on("error", this.#onError);
    const thread: Thread = { pool, running: 0 };
    this.#threads.push(thread);
    return thread;
  }
}

/**
 * How long one compressing thread works alone unless a layer has more than one block. Threads that start together slow
 * each other down, and a small export ends before the second one has started.
 */
const ALONE_MS = 200;

type BlobSpool = Pick<SpooledBlob, "fileDescriptor" | "offset">;

export interface RunningDigest {
  readonly port: MessagePort;
  readonly done: Promise<DigestDone>;
}

export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

/** The engine's threads: `workers` of them scan, read and compress; one or two more hash. */
export class WorkerPool {
  readonly arena: Arena;
  readonly #compressors: Piscina<CompressorTask, CompressorReply>;
  readonly #digesters: DigesterThreads;
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
          // Tasks leave nothing running when they end, so the thread may sleep between them.
          atomics: "sync",
          ...ownThreadOptions(),
        }),
    );
    // Piscina forgets abandoned tasks and reports a late reply of one as an error.
    const onError = (error: unknown): void => this.#bury(error);
    this.#compressors.on("error", onError);
    this.#workers = workers;
    this.#startTimer = setTimeout(() => this.#startAll(), ALONE_MS);
    this.#digesters = started(
      () => new DigesterThreads(entries.digester, { arena: this.arena, format: compression.kind }, onError),
    );
  }

  async scan(source: LocalSource): Promise<readonly TarIndex[]> {
    const done = unwrap<ScanDone>(await this.#awaitReply(this.#compressors.run({ kind: "scan", source })));
    return done.indexes;
  }

  /**
   * Copies the tar of a blob in an OCI layout.
   * @param spool descriptor of an empty file
   * @throws Fault of the copy, e.g. a corrupt blob
   */
  async copy(source: LayoutBlob, spool: number): Promise<StoredTar> {
    const { tarSize } = unwrap<CopyDone>(
      await this.#awaitReply(this.#compressors.run({ kind: "copy", source, spool })),
    );
    return { fileDescriptor: spool, tarSize };
  }

  async block(task: BlockTask): Promise<BlockDone> {
    return unwrap<BlockDone>(await this.#awaitReply(this.#compressors.run(task)));
  }

  digest(kind: DigestTask["kind"], blocks: number, spool?: BlobSpool): RunningDigest {
    if (blocks > 1) this.#startAll();
    const { port1, port2 } = new MessageChannel();
    const task: DigestTask = { kind, port: port2, spool: spool?.fileDescriptor ?? -1, offset: spool?.offset ?? 0 };
    const answer = this.#awaitReply(this.#digesters.run(task, blocks > 1, port2));
    const done = answer.then((reply) => unwrap<DigestDone>(reply));
    return { port: port1, done };
  }

  async hashFile(path: string): Promise<DiffID> {
    const { sha256 } = unwrap<HashFileDone>(
      await this.#awaitReply(this.#digesters.run({ kind: "hash-file", path }, true)),
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

  async #awaitReply<Reply>(answer: Promise<Reply>): Promise<Reply> {
    answer.catch((error: unknown) => this.#bury(error));
    if (this.#death !== undefined) throw this.#death;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    this.#waiting.add(reject);
    answer.then(resolve, () => undefined);
    return await promise.finally(() => this.#waiting.delete(reject));
  }

  #bury(error: unknown): void {
    if (this.#isClosing) return;
    this.#death ??= deathFault(error);
    for (const reject of this.#waiting) reject(this.#death);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#startTimer);
    await Promise.all([this.#compressors.destroy(), this.#digesters.close()]);
  }
}

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
  });
}

function unwrap<Done extends { readonly kind: string }>(
  reply: Done | TaskFailed | CompressorReply | DigesterReply,
): Done {
  if (reply.kind === "failed") throw fromWire((reply as TaskFailed).fault);
  return reply as Done;
}
