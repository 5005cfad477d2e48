import type { Marker } from "../timeline.ts";
import { AXIS_HEIGHT, type Bar, type Chart, type Color, heightOf, type Row, timeText } from "./rows.ts";
import type { View } from "./view.ts";

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const MIN_ALPHA = 0.3;

function alphaOf(taken: number): number {
  return Math.min(1, Math.max(MIN_ALPHA, taken));
}

interface Column {
  readonly box: Box;
  readonly color: Color;
  taken: number;
}

/** Merges bars thinner than a pixel: those of a lane in one pixel column are drawn at once. */
class ThinBars {
  readonly #pen: Pen;
  readonly #columns = new Map<string, Column>();

  constructor(pen: Pen) {
    this.#pen = pen;
  }

  add({ color, density = 1 }: Bar, box: Box): void {
    const x = Math.floor(box.x);
    const track = `${color} ${box.y}`;
    const column = this.#columns.get(track);
    if (column?.box.x === x) {
      column.taken += box.width * density;
      return;
    }
    if (column !== undefined) this.#draw(column);
    this.#columns.set(track, { box: { ...box, x, width: 1 }, color, taken: box.width * density });
  }

  flush(): void {
    for (const column of this.#columns.values()) this.#draw(column);
    this.#columns.clear();
  }

  #draw({ box, color: name, taken }: Column): void {
    const { canvas, color } = this.#pen;
    canvas.globalAlpha = alphaOf(taken);
    canvas.fillStyle = color(name);
    canvas.fillRect(box.x, box.y, box.width, box.height);
    canvas.globalAlpha = 1;
  }
}

const CHART_TEXT_HEIGHT = 19;

function drawChart({ canvas, color }: Pen, chart: Chart, y: number, height: number, view: View): void {
  const [top, bottom] = [y + CHART_TEXT_HEIGHT, y + height - 4];
  const scale = chart.max === 0 ? 0 : (bottom - top) / chart.max;
  canvas.lineWidth = 1.5;
  for (const { color: name, values } of chart.lines) {
    canvas.beginPath();
    chart.times.forEach((ms, i) => {
      const next = chart.times[i + 1] ?? ms;
      if (next < view.fromMs || ms > view.toMs) return;
      const level = bottom - (values[i] ?? 0) * scale;
      canvas.lineTo(view.xOf(ms), level);
      canvas.lineTo(view.xOf(next), level);
    });
    canvas.strokeStyle = color(name);
    canvas.stroke();
  }
  let x = view.left + 8;
  const say = (text: string, name: string): void => {
    canvas.fillStyle = color(name);
    canvas.fillText(text, x, y + CHART_TEXT_HEIGHT / 2);
    x += canvas.measureText(text).width + 12;
  };
  for (const { name, color: own } of chart.lines) say(name, own);
  say(`max ${chart.format(chart.max)}`, "dim");
}

const TICK_PIXELS = 110;

function drawGrid({ canvas, color }: Pen, view: View, height: number): void {
  canvas.lineWidth = 1;
  canvas.strokeStyle = color("line");
  for (const { x } of ticks(view)) line(canvas, x, AXIS_HEIGHT, height);
}

function drawAxis({ canvas, color }: Pen, view: View): void {
  canvas.fillStyle = color("page");
  canvas.fillRect(0, 0, view.width, AXIS_HEIGHT);
  canvas.lineWidth = 1;
  canvas.strokeStyle = color("line");
  for (const { x, ms } of ticks(view)) {
    line(canvas, x, AXIS_HEIGHT - 6, AXIS_HEIGHT);
    const text = ms === 0 ? "0" : timeText(ms);
    if (x + canvas.measureText(text).width + 3 > view.width) break;
    canvas.fillStyle = color("dim");
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

const MARKER_COLORS = { app: "ready", cache: "cache", failure: "failure" } as const;

function drawMarkers({ canvas, color }: Pen, markers: readonly Marker[], view: View, height: number): void {
  let free = Number.NEGATIVE_INFINITY;
  for (const { name, ms, kind } of markers.toSorted((a, b) => a.ms - b.ms)) {
    const x = Math.round(view.xOf(ms)) + 0.5;
    if (x < view.left || x > view.width) continue;
    canvas.strokeStyle = color(MARKER_COLORS[kind]);
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

function roundStep(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= ms) ?? 10;
  return factor * power;
}

export interface Pen {
  readonly canvas: CanvasRenderingContext2D;
  readonly color: (name: string) => string;
}

const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

const NOTE_FONT = '11px system-ui, "DejaVu Sans", sans-serif';

const TEXT_MIN = 34;
const TEXT_HEIGHT = 12;

/** The window that shows a part of the rows: `scrolled` pixels of them are above it. */
interface Viewport {
  readonly scrolled: number;
  readonly height: number;
}

export function drawAll(
  pen: Pen,
  { rows, markers }: { readonly rows: readonly Row[]; readonly markers: readonly Marker[] },
  view: View,
  { scrolled, height }: Viewport,
): void {
  const { canvas, color } = pen;
  canvas.font = FONT;
  canvas.textBaseline = "middle";
  canvas.fillStyle = color("page");
  canvas.fillRect(0, 0, view.width, height);
  const seen = rowsBetween(rows, AXIS_HEIGHT, height, AXIS_HEIGHT - scrolled);
  canvas.fillStyle = color("band");
  for (const { row, number, y } of seen)
    if (number % 2 === 1 && row.kind !== "title") canvas.fillRect(0, y, view.width, heightOf(row));
  drawGrid(pen, view, height);
  for (const { row, y } of seen) drawRow(pen, row, y, heightOf(row), view);
  drawAxis(pen, view);
  drawMarkers(pen, markers, view, height);
}

interface PlacedRow {
  readonly row: Row;
  readonly number: number;
  readonly y: number;
}

function rowsBetween(rows: readonly Row[], top: number, bottom: number, start: number): PlacedRow[] {
  let next = start;
  return rows.flatMap((row, number) => {
    const y = next;
    next += heightOf(row);
    return next > top && y < bottom ? [{ row, number, y }] : [];
  });
}

function drawRow(pen: Pen, row: Row, y: number, height: number, view: View): void {
  const { canvas, color } = pen;
  if (row.kind === "title") {
    canvas.fillStyle = color("text");
    canvas.font = `600 ${FONT}`;
    canvas.fillText(row.label, 10, y + height / 2 + 3);
    canvas.font = FONT;
    return;
  }
  canvas.save();
  canvas.beginPath();
  canvas.rect(view.left, y, view.width - view.left, height);
  canvas.clip();
  if (row.kind === "chart") drawChart(pen, row.chart, y, height, view);
  else drawBars(pen, row.bars, y, height, view);
  canvas.restore();
  const note = row.kind === "lane" ? row.note : undefined;
  canvas.fillStyle = color("text");
  canvas.fillText(shortened(canvas, row.label, view.left - 16), 10, y + height / (note === undefined ? 2 : 3.2));
  if (note === undefined) return;
  canvas.fillStyle = color("dim");
  canvas.font = NOTE_FONT;
  canvas.fillText(shortened(canvas, note, view.left - 16), 10, y + height * 0.74);
  canvas.font = FONT;
}

function drawBars(pen: Pen, bars: readonly Bar[], y: number, height: number, view: View): void {
  const [top, space] = [y + 1, height - 2];
  const thin = new ThinBars(pen);
  for (const bar of bars) {
    if (bar.startMs > view.toMs) break;
    if (bar.endMs < view.fromMs) continue;
    const x = Math.max(view.left - 2, view.xOf(bar.startMs));
    const width = Math.min(view.width + 2, view.xOf(bar.endMs)) - x;
    const box = { x, width, y: top + bar.top * space, height: Math.max(1, (bar.bottom - bar.top) * space) };
    if (width < 1) thin.add(bar, box);
    else drawBar(pen, bar, box);
  }
  thin.flush();
}

function drawBar({ canvas, color }: Pen, { color: name, text, density = 1 }: Bar, { x, y, width, height }: Box): void {
  canvas.globalAlpha = alphaOf(density);
  canvas.fillStyle = color(name);
  canvas.fillRect(x, y, width, height);
  canvas.globalAlpha = 1;
  if (text === undefined || width < TEXT_MIN || height < TEXT_HEIGHT) return;
  canvas.fillStyle = color("on-bar");
  canvas.fillText(shortened(canvas, text, width - 8), x + 4, y + height / 2 + 0.5);
}

const widths = new Map<string, number>();

/** Truncates at the start: ids of one buildpack's layers share their beginning. */
function shortened(canvas: CanvasRenderingContext2D, text: string, width: number): string {
  const measure = (part: string): number => {
    const known = widths.get(part) ?? canvas.measureText(part).width;
    widths.set(part, known);
    return known;
  };
  if (measure(text) <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (measure(`…${text.slice(-middle)}`) <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "" : `…${text.slice(-low)}`;
}
