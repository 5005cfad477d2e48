import type { EventBody, EventSink } from "./events.ts";
import { LayerWork } from "./layer-work.ts";
import type { SpanSink } from "./span-sink.ts";
import { Transfer, type TransferPlan } from "./transfer.ts";

/**
 * All that is going on in an export, for those who show it: events as they happen, and numbers to look at whenever one likes.
 * Nobody waits for a watcher, and nothing is done for one that is not there.
 */
export class Monitor {
  readonly layers: LayerWork[] = [];
  readonly transfers: Transfer[] = [];
  /** ms from the export's begin until the app image was ready; undefined before. */
  appReadyMs: number | undefined;
  /** Ids of the layers that an image that was there before has. */
  readonly reused = new Set<string>();
  /** How many wait at each queue, by its name. */
  readonly queues = new Map<string, () => number>();
  readonly #events: EventSink;
  readonly #now: () => number;
  readonly #started: number;
  readonly #spans: SpanSink | undefined;

  /**
   * @param now ms from any start
   * @param spans where a timeline is wanted
   */
  constructor(events: EventSink = () => undefined, now: () => number = () => performance.now(), spans?: SpanSink) {
    this.#events = events;
    this.#now = now;
    this.#started = now();
    this.#spans = spans;
  }

  /** ms since the export began. */
  elapsedMs(): number {
    return this.#now() - this.#started;
  }

  /** Tells of an event. @returns when it happened, in ms since the export began */
  emit(event: EventBody): number {
    const elapsedMs = this.elapsedMs();
    if (event.event === "app-image-ready") this.appReadyMs = elapsedMs;
    if (event.event === "layer-reused") this.reused.add(event.id);
    const { event: kind, ...members } = event;
    // Each body with a time is an event; the compiler does not see that across a union.
    this.#events({ event: kind, elapsedMs: Math.round(elapsedMs), ...members } as Parameters<EventSink>[0]);
    return elapsedMs;
  }

  /** A layer that is to be made. */
  layer(id: string): LayerWork {
    const work = new LayerWork(id, (event) => this.emit(event), this.#spans);
    this.layers.push(work);
    return work;
  }

  /** A blob that is to be brought to a destination. */
  transfer(plan: TransferPlan): Transfer {
    const transfer = new Transfer(plan, (event) => this.emit(event));
    this.transfers.push(transfer);
    return transfer;
  }
}
