import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import type { MessagePort, ResourceLimits, Worker } from "node:worker_threads";
import { Piscina } from "piscina";
import { FIRST_COME, PriorityLimiter } from "./limiter.ts";

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
function ownThreadOptions(): OwnThreadOptions {
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
  /**
   * "one": a task leaves nothing running when it ends, so its thread may sleep until the next. "many": a task may
   * receive messages while it runs, beside others.
   */
  readonly tasksAtOnce: "one" | "many";
  /** Size of tasks that take as long as the start of a thread. */
  readonly startSize: number;
  readonly onError: (error: unknown) => void;
}

const MANY_TASKS = 1024;

type TransferList = NonNullable<NonNullable<Parameters<Piscina["run"]>[1]>["transferList"]>;

interface Thread<Task, Reply> {
  readonly pool: Piscina<Task, Reply>;
  running: number;
}

/** Runs tasks in threads, which start on demand. */
export class TaskThreads<Task, Reply> {
  readonly #options: TaskThreadsOptions;
  readonly #threads: Thread<Task, Reply>[] = [];
  readonly #places = new PriorityLimiter(0);
  #tasks = 0;
  /**
   * Size of the tasks that found all threads busy since the last start: one long task, or many short ones, start
   * another.
   */
  #sharedSize = 0;

  constructor(options: TaskThreadsOptions) {
    this.#options = options;
  }

  /**
   * Runs a task on the least busy thread.
   * @param size in the units of `startSize`
   */
  async run(task: Task, size: number, port?: MessagePort): Promise<Reply> {
    if (this.#tasks >= this.#threads.length) this.#grow(size);
    this.#tasks += 1;
    try {
      return await this.#places.run(FIRST_COME, () => this.#runOnLeastBusy(task, port));
    } finally {
      this.#tasks -= 1;
    }
  }

  start(): void {
    const { filename, workerData, onError, tasksAtOnce } = this.#options;
    const isOne = tasksAtOnce === "one";
    const concurrentTasksPerWorker = isOne ? 1 : MANY_TASKS;
    const pool: Piscina<Task, Reply> = new Piscina({
      filename,
      workerData,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker,
      // A sleeping thread would miss messages.
      atomics: isOne ? "sync" : "disabled",
      ...ownThreadOptions(),
    });
    // Piscina forgets abandoned tasks and reports a late reply of one as an error.
    pool.on("error", onError);
    this.#threads.push({ pool, running: 0 });
    this.#places.widen(concurrentTasksPerWorker);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(({ pool }) => pool.destroy()));
  }

  #grow(size: number): void {
    const { maxThreads, startSize } = this.#options;
    if (this.#threads.length === 0) {
      this.start();
      return;
    }
    if (this.#threads.length >= maxThreads) return;
    this.#sharedSize += size;
    if (this.#sharedSize <= startSize) return;
    this.#sharedSize = 0;
    try {
      this.start();
    } catch {
      // Something else has taken what the limits of the process leave.
    }
  }

  async #runOnLeastBusy(task: Task, port: MessagePort | undefined): Promise<Reply> {
    const thread = this.#threads.reduce((least, other) => (other.running < least.running ? other : least));
    thread.running += 1;
    try {
      // Piscina takes an array, but its types name the last overload of Node's postMessage, which has an options
      // object.
      return await thread.pool.run(task, port === undefined ? {} : { transferList: [port] as unknown as TransferList });
    } finally {
      thread.running -= 1;
    }
  }
}
