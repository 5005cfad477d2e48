import { bytesText, durationText, speedText } from "../../quantities.ts";
import type { LayerSpan, ThreadSpan, Timeline, TimelineLayer, UploadSpan } from "../timeline.ts";

/** A time or a duration, as fine as it is short: `12.3 ms`, `4.21 s`, `2m05s`. */
export function timeText(ms: number): string {
  if (ms < 1) return `${ms.toFixed(3)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : durationText(ms);
}

/** When something was. */
function rangeText(startMs: number, endMs: number): string {
  return `${timeText(endMs - startMs)}, from ${timeText(startMs)} to ${timeText(endMs)}`;
}

/** Names of the page's colours, each a CSS variable. */
export type Colour = "read" | "compress" | "hash" | "append" | "app" | "cache" | "way" | "text";

/** A piece of a lane. */
export interface Bar {
  readonly startMs: number;
  readonly endMs: number;
  readonly colour: Colour;
  /** Where in the row it lies, from 0 at the top to 1. */
  readonly top: number;
  readonly bottom: number;
  /** For which part of its time something was done, from 0 to 1; absent: all of it. */
  readonly density?: number;
  /** Written into it where there is room. */
  readonly text?: string;
  /** What is shown when it is pointed at. */
  readonly details: () => readonly string[];
}

/** Numbers over time. */
export interface Chart {
  readonly times: readonly number[];
  readonly lines: readonly { readonly name: string; readonly colour: Colour; readonly values: readonly number[] }[];
  readonly most: number;
  readonly format: (value: number) => string;
}

/** A line of the page: a heading, a lane or a chart. */
export type Row =
  | { readonly kind: "title"; readonly label: string }
  /** Bars are in the order of their starts. */
  | {
      readonly kind: "lane";
      readonly label: string;
      readonly note?: string;
      readonly bars: readonly Bar[];
      readonly height: number;
    }
  | { readonly kind: "chart"; readonly label: string; readonly chart: Chart };

/** All rows of a timeline, from the top. Layers come last, since there may be hundreds. */
export function buildRows(timeline: Timeline): Row[] {
  const title = (label: string): Row => ({ kind: "title", label });
  const uploads = uploadRows(timeline);
  return [
    title("Threads"),
    ...threadRows(timeline),
    ...(uploads.length === 0 ? [] : [title("Uploads"), ...uploads]),
    title("Waiting, and speed of uploads"),
    { kind: "chart", label: "queues", chart: queueChart(timeline) },
    { kind: "chart", label: "speed", chart: speedChart(timeline) },
    title("Layers"),
    ...layerRows(timeline),
  ];
}

/** Pixels above the rows, which stay where they are. */
export const AXIS_HEIGHT = 38;

const HEIGHTS = { title: 26, chart: 62 } as const;

/** Pixels. */
export function heightOf(row: Row): number {
  return row.kind === "lane" ? row.height : HEIGHTS[row.kind];
}

const THREAD_ROW_HEIGHT = 20;

/** A lane for each thread. */
function threadRows({ lanes, spans, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "threads") return [];
    const bars = spans
      .filter(([own]) => own === lane)
      .flatMap((span) => threadBars(span, layers[span[1]]?.id ?? "several layers"));
    return [{ kind: "lane", label: name, bars, height: THREAD_ROW_HEIGHT }];
  });
}

/** Blocks are read and compressed in turn; in merged spans, the share of reading is shown first. */
function threadBars([, , kind, startMs, durationMs, busyMs, readMs, blocks]: ThreadSpan, layer: string): Bar[] {
  const endMs = startMs + durationMs;
  const details = () => [
    layer,
    kind === "make" ? `read ${timeText(readMs)}, compress ${timeText(busyMs - readMs)}` : STEPS[kind],
    `${blocks} MiB block${blocks === 1 ? "" : "s"}`,
    rangeText(startMs, endMs),
  ];
  const density = durationMs === 0 ? 1 : busyMs / durationMs;
  const whole = { startMs, endMs, top: 0, bottom: 1, density, details };
  if (kind === "diff-id") return [{ ...whole, colour: "hash" }];
  if (kind === "blob") return [{ ...whole, colour: "append" }];
  const turn = startMs + (busyMs === 0 ? 0 : (durationMs * readMs) / busyMs);
  return [
    { ...whole, endMs: turn, colour: "read" },
    { ...whole, startMs: turn, colour: "compress" },
  ];
}

const STEPS = { "diff-id": "hash of the tar", blob: "hash of the blob, and into the spool" } as const;

/** With more layers than these, rows are lower. */
const MANY = 60;
const LAYER_ROW_HEIGHTS = { few: 30, many: 18 } as const;

/** Spans that are closer to each other than this part of the whole are one bar. */
const MERGE_PART = 1 / 500;

/** Where a layer's stages lie in its row. */
const TRACKS: Readonly<Record<"make" | "hash" | "app" | "cache", readonly [top: number, bottom: number]>> = {
  make: [0, 0.3],
  hash: [0.3, 0.5],
  app: [0.5, 0.75],
  cache: [0.75, 1],
};

/** A row a layer: its way through the stages, from left to right. */
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
  const made = spans.filter(([, kind]) => kind === "make");
  const hashed = spans.filter(([, kind]) => kind === "diff-id");
  // Also of one that was stopped half-way, whose blob has no size.
  const isCompressed = spans.some(([, kind]) => kind === "blob");
  const bars = [
    ...stage(
      made,
      isCompressed ? "compress" : "read",
      isCompressed ? "read and compressed" : "read",
      TRACKS.make,
      layer,
      durationMs,
    ),
    ...stage(hashed, "hash", "hashed", TRACKS.hash, layer, durationMs),
    ...uploads.map((upload) => uploadBar(upload, layer.id, ...TRACKS[upload.image])),
  ];
  if (bars.length === 0) return bars;
  const startMs = Math.min(...bars.map((bar) => bar.startMs));
  const endMs = Math.max(...bars.map((bar) => bar.endMs));
  const way: Bar = {
    startMs,
    endMs,
    colour: "way",
    top: 0.45,
    bottom: 0.55,
    details: () => layerDetails(layer, startMs, endMs),
  };
  return [way, ...bars.toSorted((a, b) => a.startMs - b.startMs)];
}

function stage(
  spans: readonly LayerSpan[],
  colour: Colour,
  done: string,
  [top, bottom]: readonly [number, number],
  layer: TimelineLayer,
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
    const details = () => [layer.id, `${done}: ${timeText(busyMs)} of threads`, rangeText(startMs, endMs)];
    return { startMs, endMs, colour, top, bottom, details };
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

/** Lanes of each destination. */
function uploadRows({ lanes, uploads, layers }: Timeline): Row[] {
  return lanes.flatMap(({ name, group }, lane): Row[] => {
    if (group !== "uploads") return [];
    // Once for all lanes of a destination.
    const label = lanes[lane - 1]?.name === name ? "" : name;
    const bars = uploads
      .filter((upload) => upload.lane === lane)
      .map((upload) => uploadBar(upload, layers[upload.layer]?.id, 0, 1));
    return [{ kind: "lane", label, bars, height: UPLOAD_ROW_HEIGHT }];
  });
}

/** An upload's bar in the row of a destination or of a layer. */
function uploadBar(upload: UploadSpan, layer: string | undefined, top: number, bottom: number): Bar {
  const { startMs, endMs, image, destination, sentBytes, outcome } = upload;
  const text = layer ?? "run image layer";
  const seconds = (endMs - startMs) / 1000;
  const details = () => [
    text,
    `${outcome === "failed" ? "not brought" : outcome} to ${destination}`,
    `${bytesText(sentBytes)}${seconds > 0 ? `, ${speedText(sentBytes / seconds)}` : ""}`,
    rangeText(startMs, endMs),
  ];
  return { startMs, endMs, colour: image, top, bottom, text, details };
}

/** Speeds are those of so many samples, since registries take bytes in gulps. */
const SMOOTH = 5;

const QUEUE_COLOURS: Readonly<Record<string, Colour>> = { layers: "text", blocks: "compress", uploads: "app" };

/** How many wait at each queue. */
function queueChart({ samples }: Timeline): Chart {
  const lines = Object.entries(samples.queues).map(([name, values]) => {
    return { name: `${name} that wait`, colour: QUEUE_COLOURS[name] ?? "way", values } as const;
  });
  return chart(samples.times, lines, (value) => String(Math.round(value)));
}

/** How fast bytes are sent to each destination. */
function speedChart({ samples, uploads }: Timeline): Chart {
  const { times } = samples;
  const lines = Object.entries(samples.sent).map(([name, bytes]) => {
    const colour: Colour = uploads.find(({ destination }) => destination === name)?.image ?? "app";
    const values = bytes.map((value, i) => {
      const from = Math.max(0, i - SMOOTH);
      const seconds = ((times[i] ?? 0) - (times[from] ?? 0)) / 1000;
      return seconds > 0 ? Math.max(0, value - (bytes[from] ?? 0)) / seconds : 0;
    });
    return { name, colour, values };
  });
  return chart(times, lines, speedText);
}

function chart(times: Chart["times"], lines: Chart["lines"], format: Chart["format"]): Chart {
  const most = lines.reduce((all, { values }) => values.reduce((highest, value) => Math.max(highest, value), all), 0);
  return { times, lines, most, format };
}
