import { AXIS_HEIGHT, type Bar, type Chart, heightOf, type Row } from "./rows.ts";
import { timeText } from "./text.ts";
import type { View } from "./view.ts";

/** Bars are thin: so many pixels beside one count as on it. */
const NEAR = 3;

/** What there is to say about a place; undefined for nothing. */
export function detailsAt(
  rows: readonly Row[],
  view: View,
  scrolled: number,
  x: number,
  y: number,
): string | undefined {
  if (y < AXIS_HEIGHT) return undefined;
  let top = AXIS_HEIGHT - scrolled;
  for (const row of rows) {
    const height = heightOf(row);
    if (y < top + height) return detailsIn(row, view, x, (y - top) / height);
    top += height;
  }
  return undefined;
}

function detailsIn(row: Row, view: View, x: number, part: number): string | undefined {
  if (row.kind === "title") return undefined;
  if (x < view.left) return row.label;
  if (row.kind === "chart") return chartDetails(row.chart, view.msAt(x));
  return nearest(row.bars, view, x, part)?.details().join("\n");
}

/** The bar under the pointer, the one on top if there are several; else one that is close. */
function nearest(bars: readonly Bar[], view: View, x: number, part: number): Bar | undefined {
  const [from, to] = [view.msAt(x - NEAR), view.msAt(x + NEAR)];
  const near = bars.filter((bar) => bar.endMs >= from && bar.startMs <= to);
  const ms = view.msAt(x);
  const isOn = (bar: Bar) => bar.startMs <= ms && ms <= bar.endMs && bar.top <= part && part <= bar.bottom;
  return near.findLast(isOn) ?? near.findLast(({ top, bottom }) => top <= part && part <= bottom) ?? near[0];
}

function chartDetails({ times, lines, format }: Chart, ms: number): string {
  const i = times.findLastIndex((time) => time <= ms);
  return [timeText(ms), ...lines.map(({ name, values }) => `${name}: ${format(values[i] ?? 0)}`)].join("\n");
}
