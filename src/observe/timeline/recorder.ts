import { type IntervalClock, threadClock } from "../../concurrency/clock.ts";
import type { ExportEvent } from "../events.ts";
import type { Monitor } from "../monitor.ts";
import type { BlockSink, BlockTimes } from "../work-sink.ts";
import { buildTimeline } from "./build.ts";
import { Series, type Span, SpanList } from "./spans.ts";
import type { EarlierSpan, Timeline } from "./timeline.ts";

const SAMPLE_MS = 100;

export class TimelineRecorder implements BlockSink {
  readonly #threads = new SpanList(({ thread }) => thread);
  readonly #layers = new SpanList(({ layer, kind }) => `${kind} ${layer}`);
  readonly #queues = new Series();
  readonly #sent = new Series();
  readonly #events: ExportEvent[] = [];
  readonly #began: number;
  readonly #beganAt: Date;

  constructor(clock: () => number = threadClock, now = new Date()) {
    this.#began = clock();
    this.#beganAt = now;
  }

  block(layer: string, { thread, startMs, readMs, endMs }: BlockTimes): void {
    const busyMs = endMs - startMs;
    this.#add({ thread, layer, kind: "build", startMs, endMs, readMs: readMs - startMs, busyMs, blocks: 1 });
  }

  digest(layer: string, kind: "diff-id" | "blob", { thread, startMs, endMs }: Omit<BlockTimes, "readMs">): void {
    this.#add({ thread, layer, kind, startMs, endMs, readMs: 0, busyMs: endMs - startMs, blocks: 1 });
  }

  event(event: ExportEvent): void {
    if (event.event !== "upload-progress" && event.event !== "layer") this.#events.push(event);
  }

  watch(monitor: Pick<Monitor, "queues" | "transfers" | "elapsedMs">, clock: IntervalClock): () => void {
    const sample = (): void => {
      const ms = monitor.elapsedMs();
      const waiting = [...monitor.queues].map(([name, read]) => [name, read()] as const);
      const sent = new Map<string, number>();
      for (const { plan, sent: bytes } of monitor.transfers)
        sent.set(plan.destination, (sent.get(plan.destination) ?? 0) + bytes);
      this.#queues.sample(ms, waiting);
      this.#sent.sample(ms, sent);
    };
    sample();
    return clock.every(SAMPLE_MS, sample);
  }

  timeline(
    monitor: Pick<Monitor, "transfers" | "layers" | "elapsedMs">,
    program: string,
    earlier: readonly EarlierSpan[] = [],
  ): Timeline {
    return buildTimeline({
      program,
      began: this.#beganAt,
      beganMs: this.#began,
      durationMs: monitor.elapsedMs(),
      spans: this.#threads.spans,
      layerSpans: this.#layers.spans,
      events: this.#events,
      transfers: monitor.transfers,
      layers: monitor.layers,
      queues: this.#queues,
      sent: this.#sent,
      earlier,
    });
  }

  #add(span: Span): void {
    this.#threads.add(span);
    this.#layers.add({ ...span });
  }
}
