import type { Moment } from "../src/report/timeline/timeline.ts";
import type { Pen } from "./draw.ts";
import { AXIS_HEIGHT } from "./rows.ts";
import { timeText } from "./text.ts";
import type { View } from "./view.ts";

/** Pixels between two times on the axis. */
const TICK_PIXELS = 110;

/** Lines through all rows, at round times. */
export function drawGrid({ canvas, colour }: Pen, view: View, height: number): void {
  canvas.lineWidth = 1;
  canvas.strokeStyle = colour("line");
  for (const { x } of ticks(view)) line(canvas, x, AXIS_HEIGHT, height);
}

/** The round times at the top. */
export function drawAxis({ canvas, colour }: Pen, view: View): void {
  canvas.fillStyle = colour("page");
  canvas.fillRect(0, 0, view.width, AXIS_HEIGHT);
  canvas.lineWidth = 1;
  canvas.strokeStyle = colour("line");
  for (const { x, ms } of ticks(view)) {
    line(canvas, x, AXIS_HEIGHT - 6, AXIS_HEIGHT);
    const text = ms === 0 ? "0" : timeText(ms);
    if (x + canvas.measureText(text).width + 3 > view.width) break;
    canvas.fillStyle = colour("dim");
    canvas.fillText(text, x + 3, AXIS_HEIGHT - 9);
  }
  canvas.beginPath();
  canvas.moveTo(0, AXIS_HEIGHT - 0.5);
  canvas.lineTo(view.width, AXIS_HEIGHT - 0.5);
  canvas.stroke();
}

function ticks(view: View): { readonly x: number; readonly ms: number }[] {
  const step = roundStep(view.msPerPixel * TICK_PIXELS);
  const first = Math.ceil(view.fromMs / step);
  const count = Math.floor(view.toMs / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const ms = (first + i) * step;
    return { ms, x: Math.round(view.xOf(ms)) + 0.5 };
  });
}

const MOMENT_COLOURS = { app: "ready", cache: "cache", failure: "failure" } as const;

/** What happened once, as lines through all rows; where names would overlap, the later one has none. */
export function drawMoments({ canvas, colour }: Pen, moments: readonly Moment[], view: View, height: number): void {
  let free = Number.NEGATIVE_INFINITY;
  for (const { name, ms, kind } of moments.toSorted((a, b) => a.ms - b.ms)) {
    const x = Math.round(view.xOf(ms)) + 0.5;
    if (x < view.left || x > view.width) continue;
    canvas.strokeStyle = colour(MOMENT_COLOURS[kind]);
    canvas.fillStyle = canvas.strokeStyle;
    canvas.lineWidth = 1.5;
    canvas.setLineDash([5, 3]);
    line(canvas, x, 4, height);
    canvas.setLineDash([]);
    const text = `${name.slice(0, 60)} ${timeText(ms)}`;
    const width = canvas.measureText(text).width;
    const at = x + width + 5 > view.width ? x - width - 5 : x + 5;
    if (at < Math.max(free, view.left)) continue;
    canvas.fillText(text, at, 10);
    free = Math.max(x, at + width) + 8;
  }
}

function line(canvas: CanvasRenderingContext2D, x: number, from: number, to: number): void {
  canvas.beginPath();
  canvas.moveTo(x, from);
  canvas.lineTo(x, to);
  canvas.stroke();
}

/** The least of 1, 2, 5, 10, ... that is at least `ms`. */
function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= ms) ?? 10;
  return factor * power;
}
