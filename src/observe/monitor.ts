import { messageOf } from "../errors/fault.ts";
import type { EventBody, EventSink } from "./events.ts";
import { LayerWork } from "./layer-work.ts";
import { Transfer, type TransferPlan } from "./transfer.ts";
import type { BlockSink, WorkSink } from "./work-sink.ts";

/**
 * Observable state of an export: events plus counters to poll. Observers never block it. Times are in ms since the
 * export began.
 */
export class Monitor {
  readonly layers: LayerWork[] = [];
  readonly transfers: Transfer[] = [];
  appReadyMs: number | undefined;
  readonly reused = new Set<string>();
  readonly queues = new Map<string, () => number>();
  wastedBytes: () => number = () => 0;
  readonly #events: EventSink;
  readonly #now: () => number;
  readonly #started: number;
  readonly #blockSink: BlockSink | undefined;
  readonly #workSink: WorkSink | undefined;

  constructor(
    events: EventSink = () => undefined,
    now: () => number = () => performance.now(),
    blockSink?: BlockSink,
    workSink?: WorkSink,
  ) {
    this.#events = events;
    this.#now = now;
    this.#started = now();
    this.#blockSink = blockSink;
    this.#workSink = workSink;
  }

  elapsedMs(): number {
    return this.#now() - this.#started;
  }

  emit(event: EventBody): number {
    const elapsedMs = this.elapsedMs();
    if (event.event === "app-image-ready") this.appReadyMs = elapsedMs;
    if (event.event === "layer-reused") this.reused.add(event.id);
    const { event: kind, ...members } = event;
    // A body with a time is an event, which the compiler cannot infer across a union.
    this.#events({ event: kind, elapsedMs: Math.round(elapsedMs), ...members } as Parameters<EventSink>[0]);
    return elapsedMs;
  }

  layer(id: string): LayerWork {
    const work = new LayerWork(id, (event) => this.emit(event), this.#blockSink, this.#workSink);
    this.layers.push(work);
    return work;
  }

  transfer(plan: TransferPlan): Transfer {
    const transfer = new Transfer(plan, (event) => this.emit(event), this.#workSink);
    this.transfers.push(transfer);
    return transfer;
  }

  retried(error: unknown, waitMs: number): void {
    this.#workSink?.retried(error, waitMs);
  }

  cacheBegan(): void {
    this.#workSink?.cacheBegan();
  }

  cacheFailed(error: unknown): void {
    this.emit({ event: "cache-failed", reason: messageOf(error) });
    this.#workSink?.cacheFailed(error);
  }
}
