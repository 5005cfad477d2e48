import { engineParts } from "../../src/export/engine-parts.ts";
import type { Compression } from "../../src/layers/block-encoder.ts";
import { WorkerPool } from "../../src/layers/worker-pool.ts";
import { type ProgramProcess, runProgram } from "../../src/program.ts";
import type { LineSink } from "../../src/report/log.ts";

/** How a run of the command ended. */
export interface CommandRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a run needs besides. */
export type Invocation = Omit<ProgramProcess, "out" | "err" | "startThreads">;

/** Threads that are lent to one export after the other. */
class LastingPool extends WorkerPool {
  override async close(): Promise<void> {}

  async end(): Promise<void> {
    await super.close();
  }
}

/**
 * The whole command without a process of its own, whose start takes longer than most exports; the same threads serve all runs.
 * One run at a time.
 */
export class InProcessCommand implements AsyncDisposable {
  readonly #pools = new Map<string, LastingPool>();
  readonly #workers: number | undefined;

  /** @param workers threads that compress, whatever an export asks for */
  constructor(workers?: number) {
    this.#workers = workers;
  }

  async run(invocation: Invocation): Promise<CommandRun> {
    const [out, err] = [new Lines(), new Lines()];
    const startThreads = (workers: number, compression: Compression) => this.#lend(workers, compression);
    const exitCode = await runProgram({ ...invocation, out, err, startThreads }, new AbortController().signal);
    // What a failed export has left undone is nothing for the next one to wait for.
    if (exitCode !== 0) await this[Symbol.asyncDispose]();
    return { exitCode, stdout: out.text, stderr: err.text };
  }

  #lend(wanted: number, compression: Compression): WorkerPool {
    const workers = this.#workers ?? wanted;
    const key = `${workers} ${compression.kind} ${compression.level}`;
    const pool = this.#pools.get(key) ?? new LastingPool(engineParts().entries, workers, compression);
    this.#pools.set(key, pool);
    return pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.end()));
  }
}

class Lines implements LineSink {
  text = "";

  write(lines: string): void {
    this.text += lines;
  }
}
