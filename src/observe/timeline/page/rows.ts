import { bytesText, durationText, speedText } from "../../quantities.ts";
import type { LayerSpan, ThreadSpan, Timeline, TimelineLayer, UploadSpan } from "../timeline.ts";

export function timeText(ms: number): string {
  if (ms < 0) return `-${timeText(-ms)}`;
  if (ms < 1) return `${ms.toFixed(3)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : durationText(ms);
}

function rangeText(startMs: number, endMs: number): string {
  return `${timeText(endMs - startMs)}, from ${timeText(startMs)} to ${timeText(endMs)}`;
}

export type Color = "read" | "compress" | "hash" | "append" | "app" | "cache" | "way" | "text";

export interface Bar {
  readonly startMs: number;
  readonly endMs: number;
  readonly color: Color;
  readonly top: number;
  readonly bottom: number;
  readonly density?: number;
  readonly text?: string;
  readonly details: () => readonly string[];
}

export interface Chart {
  readonly times: readonly number[];
  readonly lines: readonly { readonly name: string; readonly color: Color; readonly values: readonly number[] }[];
  readonly max: number;
  readonly format: (value: number) => string;
}

export type Row =
  | { readonly kind: "title"; readonly label: string }
  | {
      readonly kind: "lane";
      readonly label: string;
      readonly note?: string;
      readonly bars: readonly Bar[];
      readonly height: number;
    }
  | { readonly kind: "chart"; readonly label: string; readonly chart: Chart };

export function buildRows(timeline: Timeline): Row[] {
  const title = (label: string): Row => ({ kind: "title", label });
  const uploads = uploadRows(timeline);
  const earlier = earlierRows(timeline);
  return [
    ...(earlier.length === 0 ? [] : [title("Build"), ...earlier]),
    title("Threads"),
    ...threadRows(timeline),
    ...(uploads.length === 0 ? [] : [title("Uploads"), ...uploads]),
    title("Queues and upload speed"),
    { kind: "chart", label: "queues", chart: queueChart(timeline) },
    { kind: "chart", label: "speed", chart: speedChart(timeline) },
    title("Layers"),
    ...layerRows(timeline),
  ];
}

export const AXIS_HEIGHT = 38;

const HEIGHTS = { title: 26, chart: 62 } as const;

export function heightOf(row: Row): number {
  return row.kind === "lane" ? row.height : HEIGHTS[row.kind];
}

const THREAD_ROW_HEIGHT = 20;

function earlierRows({ earlier }: Timeline): Row[] {
  const row = (label: string, kind: "phase" | "layer", color: Color): Row[] => {
    const bars = earlier
      .filter((span) => span.kind === kind)
      .map(
        ({ name: text, startMs, endMs }): Bar => ({
          ...{ startMs, endMs, color, text, top: 0, bottom: 1 },
          details: () => [text, timeText(endMs - startMs)],
        }),
      );
    return bars.length === 0 ? [] : [{ kind: "lane", label, bars, height: THREAD_ROW_HEIGHT }];
  };
  return [...row("phases", "phase", "hash"), ...row("layers built early", "layer", "compress")];
}

function threadRows({ lanes, spans, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "threads") return [];
    const bars = spans
      .filter(([own]) => own === lane)
      .flatMap((span) => threadBars(span, layers[span[1]]?.id ?? "several layers"));
    return [{ kind: "lane", label: name, bars, height: THREAD_ROW_HEIGHT }];
  });
}

function threadBars([, , kind, startMs, durationMs, busyMs, readMs, blocks]: ThreadSpan, layer: string): Bar[] {
  const endMs = startMs + durationMs;
  const details = () => [
    layer,
    kind === "build" ? `read ${timeText(readMs)}, compress ${timeText(busyMs - readMs)}` : STEPS[kind],
    `${blocks} MiB block${blocks === 1 ? "" : "s"}`,
    rangeText(startMs, endMs),
  ];
  const density = durationMs === 0 ? 1 : busyMs / durationMs;
  const whole = { startMs, endMs, top: 0, bottom: 1, density, details };
  if (kind === "diff-id") return [{ ...whole, color: "hash" }];
  if (kind === "blob") return [{ ...whole, color: "append" }];
  const turn = startMs + (busyMs === 0 ? 0 : (durationMs * readMs) / busyMs);
  return [
    { ...whole, endMs: turn, color: "read" },
    { ...whole, startMs: turn, color: "compress" },
  ];
}

const STEPS = { "diff-id": "hash of the tar", blob: "hash of the blob, append to the spool" } as const;

const MANY = 60;
const LAYER_ROW_HEIGHTS = { few: 30, many: 18 } as const;

const MERGE_PART = 1 / 500;

const TRACKS: Readonly<Record<"build" | "hash" | "app" | "cache", readonly [top: number, bottom: number]>> = {
  build: [0, 0.3],
  hash: [0.3, 0.5],
  app: [0.5, 0.75],
  cache: [0.75, 1],
};

function layerRows(timeline: Timeline): Row[] {
  const { layers, layerSpans, uploads, durationMs } = timeline;
  const spansOf = Map.groupBy(layerSpans, ([layer]) => layer);
  const uploadsOf = Map.groupBy(uploads, ({ layer }) => layer);
  const height = layers.length > MANY ? LAYER_ROW_HEIGHTS.many : LAYER_ROW_HEIGHTS.few;
  const rows = layers.map((layer, i) => {
    const bars = layerBars(layer, spansOf.get(i) ?? [], uploadsOf.get(i) ?? [], durationMs);
    const row = { kind: "lane", label: layer.id, bars, height } as const;
    return layers.length > MANY ? row : { ...row, note: sizeText(layer) };
  });
  const start = ({ bars }: (typeof rows)[number]) => bars[0]?.startMs ?? Number.POSITIVE_INFINITY;
  return rows.toSorted((a, b) => start(a) - start(b));
}

function layerBars(
  layer: TimelineLayer,
  spans: readonly LayerSpan[],
  uploads: readonly UploadSpan[],
  durationMs: number,
): Bar[] {
  const built = spans.filter(([, kind]) => kind === "build");
  const hashed = spans.filter(([, kind]) => kind === "diff-id");
  // Applies to aborted layers too, whose blob has no size.
  const isCompressed = spans.some(([, kind]) => kind === "blob");
  const bars = [
    ...stageBars(built, { ...(isCompressed ? COMPRESSING : READING), layer }, durationMs),
    ...stageBars(hashed, { ...HASHING, layer }, durationMs),
    ...uploads.map((upload) => uploadBar(upload, layer.id, ...TRACKS[upload.image])),
  ];
  if (bars.length === 0) return bars;
  const startMs = Math.min(...bars.map((bar) => bar.startMs));
  const endMs = Math.max(...bars.map((bar) => bar.endMs));
  const way: Bar = {
    startMs,
    endMs,
    color: "way",
    top: 0.45,
    bottom: 0.55,
    details: () => layerDetails(layer, startMs, endMs),
  };
  return [way, ...bars.toSorted((a, b) => a.startMs - b.startMs)];
}

interface LayerStage {
  readonly color: Color;
  readonly track: readonly [top: number, bottom: number];
  /** In a bar's details. */
  readonly done: string;
}

const READING: LayerStage = { color: "read", track: TRACKS.build, done: "read" };
const COMPRESSING: LayerStage = { color: "compress", track: TRACKS.build, done: "read and compressed" };
const HASHING: LayerStage = { color: "hash", track: TRACKS.hash, done: "hashed" };

function stageBars(
  spans: readonly LayerSpan[],
  { color, track: [top, bottom], done, layer }: LayerStage & { readonly layer: TimelineLayer },
  durationMs: number,
): Bar[] {
  const ranges: { startMs: number; endMs: number; busyMs: number }[] = [];
  for (const [, , startMs, spanMs, spanBusyMs] of spans.toSorted((a, b) => a[2] - b[2])) {
    const last = ranges.at(-1);
    if (last !== undefined && startMs - last.endMs <= durationMs * MERGE_PART) {
      last.endMs = Math.max(last.endMs, startMs + spanMs);
      last.busyMs += spanBusyMs;
    } else ranges.push({ startMs, endMs: startMs + spanMs, busyMs: spanBusyMs });
  }
  return ranges.map(({ startMs, endMs, busyMs }) => {
    const details = () => [layer.id, `${done}: ${timeText(busyMs)} of thread time`, rangeText(startMs, endMs)];
    return { startMs, endMs, color, top, bottom, details };
  });
}

function layerDetails(layer: TimelineLayer, startMs: number, endMs: number): string[] {
  return [layer.id, sizeText(layer), rangeText(startMs, endMs)];
}

function sizeText({ tarSize, size, isReused }: TimelineLayer): string {
  const sizes = size > 0 ? `${bytesText(tarSize)}, compressed ${bytesText(size)}` : bytesText(tarSize);
  return `${sizes}${isReused ? ", reused" : ""}`;
}

const UPLOAD_ROW_HEIGHT = 20;

function uploadRows({ lanes, uploads, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "uploads") return [];
    // Label only the first lane of a destination.
    const label = lanes[lane - 1]?.name === name ? "" : name;
    const bars = uploads
      .filter((upload) => upload.lane === lane)
      .map((upload) => uploadBar(upload, layers[upload.layer]?.id, 0, 1));
    return [{ kind: "lane", label, bars, height: UPLOAD_ROW_HEIGHT }];
  });
}

function uploadBar(upload: UploadSpan, layer: string | undefined, top: number, bottom: number): Bar {
  const { startMs, endMs, image, destination, sentBytes, outcome } = upload;
  const text = layer ?? "run image layer";
  const seconds = (endMs - startMs) / 1000;
  const details = () => [
    text,
    `${outcome === "failed" ? "not sent" : outcome} to ${destination}`,
    `${bytesText(sentBytes)}${seconds > 0 ? `, ${speedText(sentBytes / seconds)}` : ""}`,
    rangeText(startMs, endMs),
  ];
  return { startMs, endMs, color: image, top, bottom, text, details };
}

/** Speeds are averaged over this many samples, since registries accept bytes in bursts. */
const SMOOTH = 5;

const QUEUE_COLORS: Readonly<Record<string, Color>> = { layers: "text", blocks: "compress", uploads: "app" };

function queueChart({ samples }: Timeline): Chart {
  const lines = Object.entries(samples.queues).map(([name, values]) => {
    return { name: `waiting ${name}`, color: QUEUE_COLORS[name] ?? "way", values } as const;
  });
  return chart(samples.times, lines, (value) => String(Math.round(value)));
}

function speedChart({ samples, uploads }: Timeline): Chart {
  const { times } = samples;
  const lines = Object.entries(samples.sent).map(([name, bytes]) => {
    const color: Color = uploads.find(({ destination }) => destination === name)?.image ?? "app";
    const values = bytes.map((value, i) => {
      const from = Math.max(0, i - SMOOTH);
      const seconds = ((times[i] ?? 0) - (times[from] ?? 0)) / 1000;
      return seconds > 0 ? Math.max(0, value - (bytes[from] ?? 0)) / seconds : 0;
    });
    return { name, color, values };
  });
  return chart(times, lines, speedText);
}

function chart(times: Chart["times"], lines: Chart["lines"], format: Chart["format"]): Chart {
  const max = lines.reduce((all, { values }) => values.reduce((highest, value) => Math.max(highest, value), all), 0);
  return { times, lines, max, format };
}
