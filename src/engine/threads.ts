import type { MessagePort } from "node:worker_threads";
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
import { ownThreadOptions, TaskThreads } from "../concurrency/task-threads.ts";
import { digesterCount } from "./slots.ts";

export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

type Compressors = Piscina<CompressorTask, CompressorReply>;

/** The engine's threads: `workers` of them scan, read and compress; others hash ({@link digesterCount}). */
export class Threads {
  readonly #startCompressors: (niceness: Niceness) => Compressors;
  readonly #workers: number;
  readonly #digesters: TaskThreads<DigesterTask, DigesterReply>;
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
    const setup: DigesterSetup = { arena, format: compression.kind };
    this.#digesters = new TaskThreads({
      filename: entries.digester,
      workerData: setup,
      most: digesterCount(workers),
      onError,
    });
    this.#digesters.start();
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
