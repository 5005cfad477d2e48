import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import type { MessagePort, ResourceLimits } from "node:worker_threads";
import { Piscina } from "piscina";
import type {
  CompressorReply,
  CompressorSetup,
  CompressorTask,
  DigesterReply,
  DigesterSetup,
  DigesterTask,
  Niceness,
} from "../../workers/protocol.ts";
import { PriorityLimiter } from "../concurrency/limiter.ts";

/**
 * In MiB. The young generation is V8's smallest: few objects outlive a message here. The limit of the old generation is
 * never reached, but without it V8 maps its built-in code again for each thread: 2 MB that count as resident. The code
 * range is address space only.
 */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 2047, codeRangeSizeMb: 64 };

/**
 * Piscina options that bound the threads' heaps and keep the process's `--import`, `NODE_OPTIONS` and `PISCINA_*` out
 * of them. Threads still share the process's compile cache, which saves 4 ms per thread.
 */
interface OwnThreadOptions {
  readonly execArgv: string[];
  readonly env: Record<string, string>;
  readonly resourceLimits: ResourceLimits;
}

function ownThreadOptions(): OwnThreadOptions {
  const directory = getCompileCacheDir();
  const env = { NODE_COMPILE_CACHE: dirname(directory ?? ""), NODE_COMPILE_CACHE_PORTABLE: "1" };
  return { execArgv: [], env: directory === undefined ? {} : env, resourceLimits: THREAD_LIMITS };
}

export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

type Compressors = Piscina<CompressorTask, CompressorReply>;

/** The engine's threads: `workers` of them scan, read and compress; one or two more hash. */
export class Threads {
  readonly #startCompressors: (niceness: Niceness) => Compressors;
  readonly #workers: number;
  readonly #digesters: DigesterThreads;
  /** Tasks wait here for a thread of the lowest priority, so that {@link raise} can give them to another. */
  readonly #turns: PriorityLimiter | undefined;
  readonly #lowest: Compressors | undefined;
  #compressors: Compressors;

  constructor(
    entries: WorkerEntries,
    workers: number,
    { arena, compression, niceness }: CompressorSetup,
    onError: (error: unknown) => void,
  ) {
    this.#startCompressors = (own) => {
      const compressors: Compressors = new Piscina({
        filename: entries.compressor,
        workerData: { arena, compression, niceness: own } satisfies CompressorSetup,
        minThreads: workers,
        maxThreads: workers,
        // Tasks leave nothing running when they end, so the thread may sleep between them.
        atomics: "sync",
        ...ownThreadOptions(),
      });
      // Piscina forgets abandoned tasks and reports a late reply of one as an error.
      return compressors.on("error", onError);
    };
    this.#workers = workers;
    this.#compressors = this.#startCompressors(niceness);
    if (niceness > 0) [this.#lowest, this.#turns] = [this.#compressors, new PriorityLimiter(workers)];
    this.#digesters = new DigesterThreads(entries.digester, { arena, format: compression.kind }, onError);
  }

  compress(task: CompressorTask): Promise<CompressorReply> {
    const run = () => this.#compressors.run(task);
    return this.#turns === undefined ? run() : this.#turns.run(0, run);
  }

  /** From now on threads of normal priority compress. Those of the lowest end what they are at. */
  raise(): void {
    if (this.#turns === undefined || this.#compressors !== this.#lowest) return;
    this.#compressors = this.#startCompressors(0);
    this.#turns.widen(this.#workers);
  }

  digest(task: DigesterTask, isLong: boolean, port?: MessagePort): Promise<DigesterReply> {
    return this.#digesters.run(task, isLong, port);
  }

  async close(): Promise<void> {
    const compressors = new Set([this.#compressors, this.#lowest]);
    await Promise.all([...Array.from(compressors, (threads) => threads?.destroy()), this.#digesters.close()]);
  }
}

const MOST_THREADS = 2;

const TASKS_PER_THREAD = 1024;

type Pool = Piscina<DigesterTask, DigesterReply>;
type TransferList = NonNullable<NonNullable<Parameters<Pool["run"]>[1]>["transferList"]>;

interface Thread {
  readonly pool: Pool;
  running: number;
}

/**
 * The hashing threads; a task runs on the less busy one. One starts at once, the second with the first task that is
 * long enough to pay for its start (`isLong`).
 */
class DigesterThreads {
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
