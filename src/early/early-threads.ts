import { EarlyBuilder } from "../engine/early-builder.ts";
import { SpoolFiles } from "../engine/spool-files.ts";
import { Fault } from "../errors/fault.ts";
import { type Capacity, capacityLeft } from "../export/capacity.ts";
import { openPool, type StartedThreads } from "../export/setup.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import { hasMemoryFor, readAvailableCores } from "../process/machine.ts";
import { lowerThreads } from "../process/priority.ts";

/** How often threads are replaced after one died, for example because memory was short for a while. */
const MAX_REPLACEMENTS = 3;

/** The export's threads, of which early layers use some. They start when memory and the process's limits allow all. */
export class EarlyThreads {
  readonly #tuning: ExportSettings["tuning"];
  readonly #workers: number;
  readonly #earlyWorkers: number;
  readonly #spools: SpoolFiles;
  readonly #onLimit: (error: unknown) => void;
  #started: StartedThreads | undefined;
  #builder: EarlyBuilder | undefined;
  #replacements = 0;

  /**
   * @param capacity as the process's limits allowed when the build began
   * @param onLimit called if threads cannot be started although memory and limits seemed to allow them
   */
  constructor(tuning: ExportSettings["tuning"], { workers, spools }: Capacity, onLimit: (error: unknown) => void) {
    this.#tuning = tuning;
    this.#workers = workers;
    this.#earlyWorkers = Math.max(1, Math.floor(Math.min(workers, readAvailableCores()) / 2));
    this.#spools = new SpoolFiles(tuning.spoolDir, spools);
    this.#onLimit = onLimit;
  }

  /** @returns undefined while the build leaves too little memory or threads, or if a thread has died */
  start(): StartedThreads | undefined {
    try {
      this.#started ??= this.#open();
    } catch (error) {
      this.#onLimit(error);
    }
    // New threads have the main thread's priority, and would displace the build and threads that are lowered already.
    lowerThreads();
    return this.#started?.pool.isDead ? undefined : this.#started;
  }

  /** @returns undefined as {@link start} */
  startBuilder(): EarlyBuilder | undefined {
    const started = hasMemoryFor(this.#earlyWorkers) ? this.start() : undefined;
    if (started === undefined) return undefined;
    this.#builder ??= new EarlyBuilder(started.pool, this.#earlyWorkers, this.#spools);
    return this.#builder;
  }

  /** Ends the threads if one has died; {@link start} replaces them. @throws Fault if they die again and again */
  async dismissDead(): Promise<void> {
    const dead = this.#started?.pool;
    if (!dead?.isDead) return;
    this.#started = undefined;
    this.#builder = undefined;
    await dead.close();
    this.#replacements += 1;
    if (this.#replacements > MAX_REPLACEMENTS)
      throw new Fault("EXPORT_LAYER_THREAD", `worker threads died ${this.#replacements} times`);
  }

  /** Lets a layer in progress use all threads. */
  liftLimit(): void {
    this.#builder?.liftLimit();
  }

  async close(): Promise<void> {
    await this.#started?.pool.close();
  }

  #open(): StartedThreads | undefined {
    const capacity = capacityLeft(this.#tuning);
    if (capacity === undefined || capacity.workers < this.#workers || !hasMemoryFor(capacity.workers)) return undefined;
    const pool = openPool(this.#tuning, capacity.workers);
    pool.start();
    return { pool, capacity };
  }
}
