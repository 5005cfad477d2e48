import type { Moment } from "../src/report/timeline/timeline.ts";
import { drawChart } from "./draw-chart.ts";
import { drawAxis, drawGrid, drawMoments } from "./draw-time.ts";
import { AXIS_HEIGHT, type Bar, heightOf, type Row } from "./rows.ts";
import { alphaOf, type Box, ThinBars } from "./thin-bars.ts";
import type { View } from "./view.ts";

/** What is drawn on and with. */
export interface Pen {
  readonly canvas: CanvasRenderingContext2D;
  /** The value of one of the page's colours, by the name of its variable. */
  readonly colour: (name: string) => string;
}

const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

const NOTE_FONT = '11px system-ui, "DejaVu Sans", sans-serif';

/** Smaller bars have no text. */
const TEXT_MIN = 34;
const TEXT_HEIGHT = 12;

/**
 * Draws the rows that can be seen.
 * @param scrolled pixels that rows are moved up by
 */
export function drawAll(
  pen: Pen,
  rows: readonly Row[],
  moments: readonly Moment[],
  view: View,
  scrolled: number,
  height: number,
): void {
  const { canvas, colour } = pen;
  canvas.font = FONT;
  canvas.textBaseline = "middle";
  canvas.fillStyle = colour("page");
  canvas.fillRect(0, 0, view.width, height);
  const seen = rowsBetween(rows, AXIS_HEIGHT, height, AXIS_HEIGHT - scrolled);
  canvas.fillStyle = colour("band");
  for (const { row, number, y } of seen)
    if (number % 2 === 1 && row.kind !== "title") canvas.fillRect(0, y, view.width, heightOf(row));
  drawGrid(pen, view, height);
  for (const { row, y } of seen) drawRow(pen, row, y, heightOf(row), view);
  drawAxis(pen, view);
  drawMoments(pen, moments, view, height);
}

interface PlacedRow {
  readonly row: Row;
  readonly number: number;
  /** Pixels from the canvas's top. */
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
  const { canvas, colour } = pen;
  if (row.kind === "title") {
    canvas.fillStyle = colour("text");
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
  canvas.fillStyle = colour("text");
  canvas.fillText(shortened(canvas, row.label, view.left - 16), 10, y + height / (note === undefined ? 2 : 3.2));
  if (note === undefined) return;
  canvas.fillStyle = colour("dim");
  canvas.font = NOTE_FONT;
  canvas.fillText(shortened(canvas, note, view.left - 16), 10, y + height * 0.74);
  canvas.font = FONT;
}

/** Draws a lane. What is thinner than a pixel makes it the darker the more of it there is. */
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

function drawBar(
  { canvas, colour }: Pen,
  { colour: name, text, density = 1 }: Bar,
  { x, y, width, height }: Box,
): void {
  canvas.globalAlpha = alphaOf(density);
  canvas.fillStyle = colour(name);
  canvas.fillRect(x, y, width, height);
  canvas.globalAlpha = 1;
  if (text === undefined || width < TEXT_MIN || height < TEXT_HEIGHT) return;
  canvas.fillStyle = colour("on-bar");
  canvas.fillText(shortened(canvas, text, width - 8), x + 4, y + height / 2 + 0.5);
}

const widths = new Map<string, number>();

/** The end of a text says more than its begin: layers of one buildpack begin alike. */
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
