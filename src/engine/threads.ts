import type { MessagePort } from "node:worker_threads";
import type {
  CompressorReply,
  CompressorSetup,
  CompressorTask,
  DigesterReply,
  DigesterSetup,
  DigesterTask,
} from "../../workers/protocol.ts";
import { TaskThreads } from "../concurrency/task-threads.ts";
import { digesterCount } from "./slots.ts";

/** Compressing threads that start at once. The others start while tasks wait: a small export has no use for them. */
const FIRST_COMPRESSORS = 8;

/* Blocks that take as long as the start of a thread: 20 to 40 ms to compress, 10 to 20 ms to hash. */
const COMPRESSED_BLOCKS = 8;
const HASHED_BLOCKS = 16;

export interface WorkerEntries {
  readonly compressor: string;
  readonly digester: string;
}

/** The engine's threads: at most `workers` of them scan, read and compress; others hash ({@link digesterCount}). */
export class Threads {
  readonly #compressors: TaskThreads<CompressorTask, CompressorReply>;
  readonly #digesters: TaskThreads<DigesterTask, DigesterReply>;

  constructor(
    entries: WorkerEntries,
    workers: number,
    { arena, compression }: CompressorSetup,
    onError: (error: unknown) => void,
  ) {
    this.#compressors = new TaskThreads({
      filename: entries.compressor,
      workerData: { arena, compression } satisfies CompressorSetup,
      maxThreads: workers,
      tasksAtOnce: "one",
      startSize: COMPRESSED_BLOCKS,
      onError,
    });
    for (let i = 0; i < Math.min(workers, FIRST_COMPRESSORS); i++) this.#compressors.start();
    const setup: DigesterSetup = { arena, format: compression.kind };
    this.#digesters = new TaskThreads({
      filename: entries.digester,
      workerData: setup,
      maxThreads: digesterCount(workers),
      tasksAtOnce: "many",
      startSize: HASHED_BLOCKS,
      onError,
    });
    this.#digesters.start();
  }

  compress(task: CompressorTask): Promise<CompressorReply> {
    return this.#compressors.run(task, 1);
  }

  digest(task: DigesterTask, blocks: number, port?: MessagePort): Promise<DigesterReply> {
    return this.#digesters.run(task, blocks, port);
  }

  async close(): Promise<void> {
    await Promise.all([this.#compressors.close(), this.#digesters.close()]);
  }
}
