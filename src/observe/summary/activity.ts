import type { IntervalClock } from "../../concurrency/clock.ts";
import type { Monitor } from "../monitor.ts";
import type { Transfer } from "../transfer.ts";

const SAMPLE_MS = 250;

/** With a larger backlog, a destination is slower than the compression. */
const BACKLOG_BYTES = 1 << 20;

export type Constraint =
  | { readonly kind: "cores" }
  | { readonly kind: "disk" }
  | { readonly kind: "destination"; readonly destination: string }
  | { readonly kind: "answers" };

export interface Bottleneck {
  readonly constraint: Constraint;
  readonly share: number;
}

export type CpuClock = () => number;

/** In ms since the export began; all but the first are summed over the threads. */
interface Totals {
  readonly elapsedMs: number;
  readonly readMs: number;
  readonly encodeMs: number;
  readonly cpuMs: number;
}

export class Activity {
  readonly #monitor: Monitor;
  readonly #threads: number;
  readonly #cpu: CpuClock;
  readonly #counts = new Map<string, { readonly constraint: Constraint; samples: number }>();
  #samples = 0;
  #last: Totals;

  /** @param threads that read and compress, or cores if there are fewer of them */
  constructor(monitor: Monitor, threads: number, cpu: CpuClock) {
    this.#monitor = monitor;
    this.#threads = threads;
    this.#cpu = cpu;
    this.#last = this.#totals();
  }

  watch(clock: IntervalClock): () => void {
    return clock.every(SAMPLE_MS, () => this.sample());
  }

  sample(): void {
    const before = this.#last;
    this.#last = this.#totals();
    const constraint = this.#constraint(before);
    const key = constraint.kind === "destination" ? `${constraint.kind} ${constraint.destination}` : constraint.kind;
    const count = this.#counts.get(key) ?? { constraint, samples: 0 };
    count.samples += 1;
    this.#samples += 1;
    this.#counts.set(key, count);
  }

  get bottleneck(): Bottleneck | undefined {
    const [first] = [...this.#counts.values()].toSorted((a, b) => b.samples - a.samples);
    return first && { constraint: first.constraint, share: first.samples / this.#samples };
  }

  /**
   * A destination of the app image with a backlog is the bottleneck, whatever else runs; otherwise the layers are while
   * blocks wait for threads; the cache's uploads come last, because they yield to the others by design.
   */
  #constraint(before: Totals): Constraint {
    const late = this.#monitor.transfers.filter((transfer) => backlog(transfer) > BACKLOG_BYTES);
    const app = late.find(({ plan }) => plan.image === "app");
    if (app !== undefined) return { kind: "destination", destination: app.plan.destination };
    const isBuilding = this.#monitor.layers.some(
      ({ state }) => state !== "built" && state !== "waiting" && state !== "failed",
    );
    if (isBuilding) return this.#engineConstraint(before);
    const cache = late[0];
    return cache === undefined ? { kind: "answers" } : { kind: "destination", destination: cache.plan.destination };
  }

  #engineConstraint(before: Totals): Constraint {
    const now = this.#last;
    const wallMs = Math.max(1, now.elapsedMs - before.elapsedMs);
    const isReading = now.readMs - before.readMs > now.encodeMs - before.encodeMs;
    const areCoresFree = now.cpuMs - before.cpuMs < 0.7 * this.#threads * wallMs;
    return { kind: isReading && areCoresFree ? "disk" : "cores" };
  }

  #totals(): Totals {
    let [readMs, encodeMs] = [0, 0];
    for (const work of this.#monitor.layers) {
      readMs += work.readMs;
      encodeMs += work.encodeMs;
    }
    return { elapsedMs: this.#monitor.elapsedMs(), readMs, encodeMs, cpuMs: this.#cpu() };
  }
}

function backlog({ state, sent, size, plan }: Transfer): number {
  if (state !== "sending" || plan.polledBytes !== undefined) return 0;
  const { work, unit } = plan;
  if (work === undefined) return (size ?? 0) - sent;
  return (unit === "blob" ? work.compressed : work.builtInPass) - sent;
}
