import { bytesText } from "../src/report/quantities.ts";
import type { LayerSpan, Timeline, TimelineLayer, UploadSpan } from "../src/report/timeline/timeline.ts";
import type { Bar, Colour, Row } from "./rows.ts";
import { rangeText, timeText } from "./text.ts";
import { uploadBar } from "./upload-rows.ts";

/** With more layers than these, rows are lower. */
const MANY = 60;
const HEIGHTS = { few: 30, many: 18 } as const;

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
export function layerRows(timeline: Timeline): Row[] {
  const { layers, layerSpans, uploads, durationMs } = timeline;
  const spansOf = Map.groupBy(layerSpans, ([layer]) => layer);
  const uploadsOf = Map.groupBy(uploads, ({ layer }) => layer);
  const height = layers.length > MANY ? HEIGHTS.many : HEIGHTS.few;
  const rows = layers.map((layer, i) => {
    const bars = barsOf(layer, spansOf.get(i) ?? [], uploadsOf.get(i) ?? [], durationMs);
    const row = { kind: "lane", label: layer.id, bars, height } as const;
    return layers.length > MANY ? row : { ...row, note: sizeText(layer) };
  });
  const start = ({ bars }: (typeof rows)[number]) => bars[0]?.startMs ?? Number.POSITIVE_INFINITY;
  return rows.toSorted((a, b) => start(a) - start(b));
}

function barsOf(
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
