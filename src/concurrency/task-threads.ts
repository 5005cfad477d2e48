import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import type { MessagePort, ResourceLimits, Worker } from "node:worker_threads";
import { Piscina } from "piscina";

/**
 * In MiB. The young generation is small, because few objects outlive a message; with V8's smallest, 1, a walk of many
 * files spends a fifth of its CPU time in collections. The limit of the old generation is never reached, but without it
 * V8 maps its built-in code again for each thread: 2 MB that count as resident. The code range is address space only.
 */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 2047, codeRangeSizeMb: 64 };

interface OwnThreadOptions {
  readonly execArgv: string[];
  readonly env: Record<string, string>;
  readonly resourceLimits: ResourceLimits;
  readonly recordTiming: boolean;
}

/**
 * Piscina options that bound the threads' heaps and keep the process's `--import`, `NODE_OPTIONS` and `PISCINA_*` out
 * of them. Threads still share the process's compile cache: it saves 4 ms per thread. Histograms of the tasks' times
 * are not used.
 */
export function ownThreadOptions(): OwnThreadOptions {
  const directory = getCompileCacheDir();
  const env = { NODE_COMPILE_CACHE: dirname(directory ?? ""), NODE_COMPILE_CACHE_PORTABLE: "1" };
  return { execArgv: [], env: directory === undefined ? {} : env, resourceLimits: THREAD_LIMITS, recordTiming: false };
}

/** Runs `start`. If it throws, such as at a limit of threads, ends the threads that it has started. */
export function allOrNone<Started>(start: () => Started): Started {
  try {
    return start();
  } catch (error) {
    // Node emits `worker` in the tick after each start. Piscina's listeners would replace a thread that ends, and
    // without any an error of a thread would end the process.
    const end = (thread: Worker) => {
      void thread
        .removeAllListeners()
        .on("error", () => undefined)
        .terminate();
    };
    process.on("worker", end);
    setImmediate(() => process.off("worker", end));
    throw error;
  }
}

/** `filename` is a module whose default export runs a task; `onError` is called for each thread that dies. */
export interface TaskThreadsOptions {
  readonly filename: string;
  readonly workerData: unknown;
  readonly maxThreads: number;
  /** Size of tasks that take as long as the start of a thread. */
  readonly startSize: number;
  readonly onError: (error: unknown) => void;
}

const TASKS_PER_THREAD = 1024;

type TransferList = NonNullable<NonNullable<Parameters<Piscina["run"]>[1]>["transferList"]>;

interface Thread<Task, Reply> {
  readonly pool: Piscina<Task, Reply>;
  running: number;
}

/** Threads that run several tasks at a time; a task may receive messages while it runs. Threads start on demand. */
export class TaskThreads<Task, Reply> {
  readonly #options: TaskThreadsOptions;
  readonly #threads: Thread<Task, Reply>[] = [];
  /** Size of the tasks that went to a busy thread since the last start: one long task, or many short ones, start another. */
  #sharedSize = 0;

  constructor(options: TaskThreadsOptions) {
    this.#options = options;
  }

  /**
   * Runs a task on the least busy thread.
   * @param size in the units of `startSize`
   */
  async run(task: Task, size: number, port?: MessagePort): Promise<Reply> {
    const thread = this.#choose(size);
    thread.running += 1;
    try {
      // Piscina takes an array, but its types name the last overload of Node's postMessage, which has an options object.
      return await thread.pool.run(task, port === undefined ? {} : { transferList: [port] as unknown as TransferList });
    } finally {
      thread.running -= 1;
    }
  }

  start(): Thread<Task, Reply> {
    const { filename, workerData, onError } = this.#options;
    const pool: Piscina<Task, Reply> = new Piscina({
      filename,
      workerData,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      // Tasks receive messages, which a sleeping thread would miss.
      atomics: "disabled",
      ...ownThreadOptions(),
    });
    // Piscina forgets abandoned tasks and reports a late reply of one as an error.
    pool.on("error", onError);
    const thread = { pool, running: 0 };
    this.#threads.push(thread);
    return thread;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ pool }) => pool.destroy()));
  }

  #choose(size: number): Thread<Task, Reply> {
    const least = this.#threads.toSorted((a, b) => a.running - b.running)[0];
    if (least === undefined) return this.start();
    if (least.running === 0 || this.#threads.length >= this.#options.maxThreads) return least;
    this.#sharedSize += size;
    if (this.#sharedSize <= this.#options.startSize) return least;
    this.#sharedSize = 0;
    try {
      return this.start();
    } catch {
      // Something else has taken what the limits of the process leave.
      return least;
    }
  }
}
