import type { Ticker } from "../../concurrency/clock.ts";
import type { Monitor } from "../monitor.ts";
import type { Transfer } from "../transfer.ts";

/** How often it is looked at what holds an export up. */
const LOOK_MS = 250;

/** With more than this made and not sent, a destination takes bytes slower than they are made. */
const BACKLOG_BYTES = 1 << 20;

/** What holds an export up: threads that compress and hash, files that are read, a destination, or answers and nothing else. */
export type Holdup =
  | { readonly kind: "cores" }
  | { readonly kind: "disk" }
  | { readonly kind: "destination"; readonly destination: string }
  | { readonly kind: "answers" };

/** What an export was held up by, and for which part of its time. */
export interface HeldUp {
  readonly holdup: Holdup;
  /** 0 to 1. */
  readonly part: number;
}

/** ms of CPU that the process has used by now. */
export type CpuClock = () => number;

/** Looks at an export now and then, and counts what it is waiting for. */
export class Activity {
  readonly #monitor: Monitor;
  readonly #threads: number;
  readonly #cpu: CpuClock;
  readonly #counts = new Map<string, { readonly holdup: Holdup; looks: number }>();
  #looks = 0;
  #last = { elapsedMs: 0, readMs: 0, encodeMs: 0, cpuMs: 0 };

  /** @param threads that read and compress, or cores if there are fewer of them */
  constructor(monitor: Monitor, threads: number, cpu: CpuClock) {
    this.#monitor = monitor;
    this.#threads = threads;
    this.#cpu = cpu;
    this.#last = this.#totals();
  }

  /** Looks from now on. @returns ends it */
  watch(ticker: Ticker): () => void {
    return ticker.every(LOOK_MS, () => this.look());
  }

  look(): void {
    const before = this.#last;
    this.#last = this.#totals();
    const holdup = this.#holdup(before);
    const key = holdup.kind === "destination" ? `${holdup.kind} ${holdup.destination}` : holdup.kind;
    const count = this.#counts.get(key) ?? { holdup, looks: 0 };
    count.looks += 1;
    this.#looks += 1;
    this.#counts.set(key, count);
  }

  /** What it was held up by most; undefined when it was too quick to tell. */
  get most(): HeldUp | undefined {
    const [first] = [...this.#counts.values()].toSorted((a, b) => b.looks - a.looks);
    return first && { holdup: first.holdup, part: first.looks / this.#looks };
  }

  /**
   * A destination of the app image that has a backlog holds everything up, whatever else is going on; else the layers do while
   * blocks wait for threads; the cache's uploads come last, because they wait for the others on purpose.
   */
  #holdup(before: { elapsedMs: number; readMs: number; encodeMs: number; cpuMs: number }): Holdup {
    const late = this.#monitor.transfers.filter((transfer) => backlog(transfer) > BACKLOG_BYTES);
    const app = late.find(({ plan }) => plan.image === "app");
    if (app !== undefined) return { kind: "destination", destination: app.plan.destination };
    const isMaking = this.#monitor.layers.some(
      ({ state }) => state !== "made" && state !== "waiting" && state !== "failed",
    );
    if (isMaking) return this.#engineHoldup(before);
    const cache = late[0];
    return cache === undefined ? { kind: "answers" } : { kind: "destination", destination: cache.plan.destination };
  }

  /** Threads that wait for a disk use no core meanwhile. */
  #engineHoldup(before: { elapsedMs: number; readMs: number; encodeMs: number; cpuMs: number }): Holdup {
    const now = this.#last;
    const wallMs = Math.max(1, now.elapsedMs - before.elapsedMs);
    const isReading = now.readMs - before.readMs > now.encodeMs - before.encodeMs;
    const areCoresFree = now.cpuMs - before.cpuMs < 0.7 * this.#threads * wallMs;
    return { kind: isReading && areCoresFree ? "disk" : "cores" };
  }

  #totals() {
    let [readMs, encodeMs] = [0, 0];
    for (const work of this.#monitor.layers) {
      readMs += work.readMs;
      encodeMs += work.encodeMs;
    }
    return { elapsedMs: this.#monitor.elapsedMs(), readMs, encodeMs, cpuMs: this.#cpu() };
  }
}

/** Bytes that could be sent and are not. */
function backlog({ state, sent, size, plan }: Transfer): number {
  if (state !== "sending" || plan.reached !== undefined) return 0;
  const { work, unit } = plan;
  if (work === undefined) return (size ?? 0) - sent;
  return (unit === "blob" ? work.compressed : work.madeInPass) - sent;
}
