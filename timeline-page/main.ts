import { bytesText, durationText } from "../src/report/quantities.ts";
import type { Timeline } from "../src/report/timeline/timeline.ts";
import { drawAll } from "./draw.ts";
import { listen } from "./gestures.ts";
import { detailsAt } from "./pointed-at.ts";
import { AXIS_HEIGHT, buildRows, type Colour, heightOf } from "./rows.ts";
import { View } from "./view.ts";

const LEGEND: readonly (readonly [Colour, string])[] = [
  ["read", "read"],
  ["compress", "compress"],
  ["hash", "hash of the tar"],
  ["append", "hash of the blob, spool"],
  ["app", "upload of the app image"],
  ["cache", "upload of the cache"],
  ["way", "from first read to last byte"],
];

function element<Kind extends HTMLElement>(id: string): Kind {
  // The page that this script is part of has them all.
  return document.getElementById(id) as Kind;
}

const timeline: Timeline = JSON.parse(element("timeline").textContent ?? "");
const rows = buildRows(timeline);
const view = new View(timeline.durationMs * 1.01);
const [canvas, scroller, details] = [element<HTMLCanvasElement>("canvas"), element("scroller"), element("details")];
const context = canvas.getContext("2d") as CanvasRenderingContext2D;

function describe(): void {
  const { began, durationMs, layers, moments, uploads, program } = timeline;
  const sent = uploads.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  const ready = moments.find(({ kind }) => kind === "app");
  const facts = [
    new Date(began).toLocaleString(),
    ready === undefined ? "" : `app image ready after ${durationText(ready.ms)}`,
    `${durationText(durationMs)} in all`,
    `${layers.length} layer${layers.length === 1 ? "" : "s"}`,
    `${bytesText(sent)} sent`,
    program,
  ];
  element("facts").textContent = facts.filter((fact) => fact !== "").join(" · ");
  for (const [colour, text] of LEGEND) {
    const [item, swatch] = [document.createElement("li"), document.createElement("i")];
    swatch.style.background = `var(--${colour})`;
    item.append(swatch, text);
    element("legend").append(item);
  }
}

/** Reading a variable of the style sheet is slow, and they change with light and dark only. */
let colours = new Map<string, string>();
function colour(name: string): string {
  const known = colours.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  colours.set(name, known);
  return known;
}

let isDrawing = false;
function redraw(): void {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawAll({ canvas: context, colour }, rows, timeline.moments, view, scroller.scrollTop, scroller.clientHeight);
  });
}

function fit(): void {
  const [width, height, scale] = [scroller.clientWidth, scroller.clientHeight, devicePixelRatio];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  view.width = width;
  view.left = Math.round(Math.min(260, Math.max(90, width * 0.22)));
  const whole = rows.reduce((sum, row) => sum + heightOf(row), AXIS_HEIGHT);
  element("spacer").style.height = `${whole + 12}px`;
  redraw();
}

function point(at: { readonly x: number; readonly y: number } | undefined): void {
  const text = at && detailsAt(rows, view, scroller.scrollTop, at.x, at.y);
  details.hidden = text === undefined;
  if (at === undefined || text === undefined) return;
  details.textContent = text;
  const box = canvas.getBoundingClientRect();
  const [x, y] = [box.left + at.x, box.top + at.y];
  const isRight = x + details.offsetWidth + 16 > innerWidth;
  const isLow = y + details.offsetHeight + 16 > innerHeight;
  details.style.left = `${Math.max(4, isRight ? x - details.offsetWidth - 12 : x + 12)}px`;
  details.style.top = `${isLow ? y - details.offsetHeight - 12 : y + 12}px`;
}

describe();
listen({ canvas, scroller, view, redraw, point });
new ResizeObserver(fit).observe(scroller);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours = new Map();
  redraw();
});
