import { engineAssets } from "../../../src/assets.ts";
import { type ProgramContext, runProgram } from "../../../src/cli/program.ts";
import { WorkerPool } from "../../../src/engine/pool.ts";
import type { Compression } from "../../../workers/protocol.ts";
import { RecordedOutput } from "../output/recorded-output.ts";

export interface CommandRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Outputs that are not given are recorded. */
export type Invocation = Omit<ProgramContext, "out" | "err" | "startThreads"> & Outputs;

export type Outputs = Partial<Pick<ProgramContext, "out" | "err">>;

/**
 * Threads shared by consecutive exports. An export that closes them during work ends them, as always: they would
 * otherwise go on with its descriptors, which may by then belong to other files.
 */
class SharedPool extends WorkerPool {
  #atWork = 0;
  isEnded = false;

  override scan(...task: Parameters<WorkerPool["scan"]>): ReturnType<WorkerPool["scan"]> {
    return this.#count(super.scan(...task));
  }

  override copy(...task: Parameters<WorkerPool["copy"]>): ReturnType<WorkerPool["copy"]> {
    return this.#count(super.copy(...task));
  }

  override block(...task: Parameters<WorkerPool["block"]>): ReturnType<WorkerPool["block"]> {
    return this.#count(super.block(...task));
  }

  override digest(...task: Parameters<WorkerPool["digest"]>): ReturnType<WorkerPool["digest"]> {
    const digest = super.digest(...task);
    this.#count(digest.done).catch(() => undefined);
    return digest;
  }

  override hashFile(...task: Parameters<WorkerPool["hashFile"]>): ReturnType<WorkerPool["hashFile"]> {
    return this.#count(super.hashFile(...task));
  }

  override async close(): Promise<void> {
    if (this.#atWork > 0) await this.end();
  }

  async end(): Promise<void> {
    this.isEnded = true;
    await super.close();
  }

  async #count<Done>(answer: Promise<Done>): Promise<Done> {
    this.#atWork += 1;
    return await answer.finally(() => {
      this.#atWork -= 1;
    });
  }
}

/** Lends consecutive exports the same threads, because starting threads takes longer than most exports. */
export class SharedThreads implements AsyncDisposable {
  readonly #pools = new Map<string, SharedPool>();

  start(workers: number, compression: Compression): WorkerPool {
    const key = `${workers} ${compression.kind} ${compression.level}`;
    const known = this.#pools.get(key);
    if (known !== undefined && !known.isEnded) return known;
    const pool = new SharedPool(engineAssets().entries, workers, compression);
    this.#pools.set(key, pool);
    return pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }
}

/**
 * The whole command in this process, because starting a process takes longer than most exports. All runs share threads.
 * One run at a time.
 */
export class InProcessCommand implements AsyncDisposable {
  readonly #threads = new SharedThreads();
  readonly #workers: number | undefined;

  /** @param workers number of compressing threads, whatever an export requests */
  constructor(workers?: number) {
    this.#workers = workers;
  }

  async run(invocation: Invocation): Promise<CommandRun & { readonly exitCode: number }> {
    const recorded = { out: new RecordedOutput(), err: new RecordedOutput() };
    const startThreads = (workers: number, compression: Compression) =>
      this.#threads.start(this.#workers ?? workers, compression);
    const exitCode = await runProgram({ ...recorded, ...invocation, startThreads }, new AbortController().signal);
    return { exitCode, stdout: recorded.out.text, stderr: recorded.err.text };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#threads[Symbol.asyncDispose]();
  }
}
