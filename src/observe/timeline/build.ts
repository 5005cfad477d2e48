import type { ExportEvent } from "../events.ts";
import type { LayerWork } from "../layer-work.ts";
import type { Transfer } from "../transfer.ts";
import type { Series, Span } from "./spans.ts";
import type { EarlierSpan, Lane, Marker, ThreadSpan, Timeline, TimelineLayer, UploadSpan } from "./timeline.ts";

export interface Recorded {
  readonly program: string;
  readonly began: Date;
  readonly beganMs: number;
  readonly durationMs: number;
  readonly spans: readonly Span[];
  readonly layerSpans: readonly Span[];
  readonly events: readonly ExportEvent[];
  readonly transfers: readonly Transfer[];
  readonly layers: readonly LayerWork[];
  readonly queues: Series;
  readonly sent: Series;
  readonly earlier: readonly EarlierSpan[];
}

export function buildTimeline(recorded: Recorded): Timeline {
  const { program, began, durationMs, events, queues, sent } = recorded;
  const layers = layersOf(recorded);
  const numbers = new Map(layers.map(({ id }, i) => [id, i]));
  const threads = threadLanes(recorded.spans);
  const placed = placeUploads(recorded.transfers, numbers, durationMs, threads.lanes.length);
  return {
    program,
    began: began.toISOString(),
    durationMs: rounded(durationMs),
    lanes: [...threads.lanes, ...placed.lanes],
    layers,
    spans: recorded.spans.map((span) => threadSpan(span, recorded.beganMs, threads.numbers, numbers)),
    layerSpans: recorded.layerSpans.map(({ layer, kind, startMs, endMs, busyMs }) => [
      numbers.get(layer) ?? -1,
      kind,
      rounded(startMs - recorded.beganMs),
      rounded(endMs - startMs),
      rounded(busyMs),
    ]),
    uploads: placed.uploads,
    markers: events.flatMap(markerOf),
    earlier: recorded.earlier.map((span) => ({
      ...span,
      startMs: rounded(span.startMs - recorded.beganMs),
      endMs: rounded(span.endMs - recorded.beganMs),
    })),
    samples: {
      times: queues.times.map(rounded),
      queues: Object.fromEntries(queues.values),
      sent: Object.fromEntries(sent.values),
    },
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function layersOf({ layers, events }: Recorded): TimelineLayer[] {
  const firsts = (kind: ExportEvent["event"]) => {
    const times = new Map<string, number>();
    for (const event of events)
      if (event.event === kind && "id" in event && !times.has(event.id)) times.set(event.id, event.elapsedMs);
    return times;
  };
  const [started, hashed, compressed, reused] = [
    firsts("layer-started"),
    firsts("layer-hashed"),
    firsts("layer-compressed"),
    firsts("layer-reused"),
  ];
  return layers.map(({ id, tarSize, compressed: size, isCompressed }) => ({
    id,
    tarSize: tarSize ?? 0,
    size: isCompressed ? size : 0,
    startedMs: started.get(id),
    hashedMs: hashed.get(id),
    compressedMs: compressed.get(id),
    isReused: reused.has(id),
  }));
}

/** Its `threadId` (node:worker_threads). It builds small layers, blocks and hashes alike. */
const MAIN_THREAD = 0;

function threadLanes(spans: readonly Span[]) {
  const builders = new Set<number>();
  const hashers = new Set<number>();
  for (const { thread, kind } of spans) (kind === "build" ? builders : hashers).add(thread);
  const ascending = (threads: Set<number>) => [...threads].toSorted((a, b) => a - b);
  const main = [builders, hashers].map((threads) => threads.delete(MAIN_THREAD)).includes(true) ? [MAIN_THREAD] : [];
  const names = [
    ...main.map(() => "main"),
    ...Array.from(builders, (_, i) => `worker ${i + 1}`),
    ...Array.from(hashers, (_, i) => `hash ${i + 1}`),
  ];
  const lanes = names.map((name): Lane => ({ name, group: "threads" }));
  const order = [...main, ...ascending(builders), ...ascending(hashers)];
  return { lanes, numbers: new Map(order.map((thread, i) => [thread, i])) };
}

function threadSpan(
  { thread, layer, kind, startMs, endMs, busyMs, readMs, blocks }: Span,
  beganMs: number,
  lanes: ReadonlyMap<number, number>,
  layers: ReadonlyMap<string, number>,
): ThreadSpan {
  return [
    lanes.get(thread) ?? 0,
    layers.get(layer) ?? -1,
    kind,
    rounded(startMs - beganMs),
    rounded(endMs - startMs),
    rounded(busyMs),
    rounded(readMs),
    blocks,
  ];
}

function placeUploads(
  transfers: readonly Transfer[],
  layers: ReadonlyMap<string, number>,
  durationMs: number,
  firstLane: number,
): { readonly lanes: Lane[]; readonly uploads: UploadSpan[] } {
  const lanes: Lane[] = [];
  const uploads: UploadSpan[] = [];
  for (const [destination, group] of Map.groupBy(transfers, ({ plan }) => plan.destination)) {
    const ends: number[] = [];
    const base = lanes.length;
    const sent = group.filter(({ startedMs }) => startedMs !== undefined);
    for (const transfer of sent.toSorted((a, b) => (a.startedMs ?? 0) - (b.startedMs ?? 0))) {
      const { startedMs = 0, endedMs = durationMs, plan, sent: sentBytes, outcome = "failed" } = transfer;
      const free = ends.findIndex((end) => end <= startedMs);
      const place = free < 0 ? ends.length : free;
      ends[place] = endedMs;
      if (free < 0) lanes.push({ name: destination, group: "uploads" });
      uploads.push({
        lane: firstLane + base + place,
        layer: layers.get(plan.layer ?? "") ?? -1,
        destination,
        image: plan.image,
        startMs: rounded(startedMs),
        endMs: rounded(endedMs),
        sentBytes,
        outcome,
      });
    }
  }
  return { lanes, uploads };
}

function markerOf(event: ExportEvent): Marker[] {
  const ms = event.elapsedMs;
  switch (event.event) {
    case "app-image-ready":
      return [{ name: "app image ready", ms, kind: "app" }];
    case "cache-ready":
      return [{ name: "cache ready", ms, kind: "cache" }];
    case "cache-failed":
      return [{ name: `cache failed: ${event.reason}`, ms, kind: "failure" }];
    case "error":
      return [{ name: `failed: ${event.reason}`, ms, kind: "failure" }];
    default:
      return [];
  }
}
