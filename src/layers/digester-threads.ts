import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { DigesterReply, DigesterSetup, DigesterTask } from "./messages.ts";
import { ownThreadOptions } from "./thread-options.ts";

/** So that the tar and the compressed bytes of one layer are hashed side by side. */
const MOST_THREADS = 2;

/** Far above the number of layers that are made at once; a digest task is idle most of the time. */
const TASKS_PER_THREAD = 1024;

type Pool = Piscina<DigesterTask, DigesterReply>;
type TransferList = NonNullable<NonNullable<Parameters<Pool["run"]>[1]>["transferList"]>;

interface Thread {
  readonly pool: Pool;
  /** Tasks. */
  running: number;
}

/** The threads that hash. One starts at once, the second with the first task that is long enough to be worth its start. */
export class DigesterThreads {
  readonly #filename: string;
  readonly #setup: DigesterSetup;
  readonly #onError: (error: unknown) => void;
  readonly #threads: Thread[] = [];

  /**
   * @param filename the thread's entry
   * @param onError takes what no task answers for
   */
  constructor(filename: string, setup: DigesterSetup, onError: (error: unknown) => void) {
    this.#filename = filename;
    this.#setup = setup;
    this.#onError = onError;
    this.#start();
  }

  /**
   * Runs a task on the less busy thread.
   * @param isLong whether it is worth the start of a thread
   * @param port that the task takes with it
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
      // A digest task lives on messages, which a sleeping thread would not see.
      atomics: "disabled",
      ...ownThreadOptions(),
    });
    pool.on("error", this.#onError);
    const thread: Thread = { pool, running: 0 };
    this.#threads.push(thread);
    return thread;
  }
}
