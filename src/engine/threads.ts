import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type {
  CompressorReply,
  CompressorSetup,
  CompressorTask,
  DigesterReply,
  DigesterSetup,
  DigesterTask,
} from "../../workers/protocol.ts";
import { ownThreadOptions, TaskThreads } from "../concurrency/task-threads.ts";
import { digesterCount } from "./slots.ts";

/** Hashing so many blocks takes as long as the start of a thread: 10 to 20 ms. */
const START_BLOCKS = 16;

export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

/** The engine's threads: `workers` of them scan, read and compress; others hash ({@link digesterCount}). */
export class Threads {
  readonly #compressors: Piscina<CompressorTask, CompressorReply>;
  readonly #digesters: TaskThreads<DigesterTask, DigesterReply>;

  constructor(
    entries: WorkerEntries,
    workers: number,
    { arena, compression }: CompressorSetup,
    onError: (error: unknown) => void,
  ) {
    this.#compressors = new Piscina({
      filename: entries.compressor,
      workerData: { arena, compression } satisfies CompressorSetup,
      minThreads: workers,
      maxThreads: workers,
      // Tasks leave nothing running when they end, so the thread may sleep between them.
      atomics: "sync",
      ...ownThreadOptions(),
    });
    // Piscina forgets abandoned tasks and reports a late reply of one as an error.
    this.#compressors.on("error", onError);
    const setup: DigesterSetup = { arena, format: compression.kind };
    this.#digesters = new TaskThreads({
      filename: entries.digester,
      workerData: setup,
      maxThreads: digesterCount(workers),
      startSize: START_BLOCKS,
      onError,
    });
    this.#digesters.start();
  }

  compress(task: CompressorTask): Promise<CompressorReply> {
    return this.#compressors.run(task);
  }

  digest(task: DigesterTask, blocks: number, port?: MessagePort): Promise<DigesterReply> {
    return this.#digesters.run(task, blocks, port);
  }

  async close(): Promise<void> {
    await Promise.all([this.#compressors.destroy(), this.#digesters.close()]);
  }
}
