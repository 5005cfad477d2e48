import type { Timeline } from "../src/report/timeline/timeline.ts";
import { layerRows } from "./layer-rows.ts";
import { queueChart, speedChart } from "./series-charts.ts";
import { threadRows } from "./thread-rows.ts";
import { uploadRows } from "./upload-rows.ts";

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
