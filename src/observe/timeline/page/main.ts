import { bytesText, durationText } from "../../quantities.ts";
import type { Timeline } from "../timeline.ts";
import { drawAll } from "./draw.ts";
import { AXIS_HEIGHT, buildRows, type Color, heightOf } from "./rows.ts";
import { detailsAt, View } from "./view.ts";

const WHEEL_RATE = 0.0015;
const KEY_FACTOR = 1.4;
const KEY_PIXELS = 80;

interface Stage {
  readonly canvas: HTMLCanvasElement;
  readonly scroller: HTMLElement;
  readonly view: View;
  readonly redraw: () => void;
  readonly point: (at: { readonly x: number; readonly y: number } | undefined) => void;
}

function listen(stage: Stage): void {
  listenToWheel(stage);
  listenToPointer(stage);
  listenToKeys(stage);
}

function listenToWheel({ canvas, scroller, view, redraw }: Stage): void {
  canvas.addEventListener(
    "wheel",
    (event) => {
      // Over the names, the wheel scrolls as usual.
      if (event.offsetX < view.left) return;
      event.preventDefault();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.move(event.deltaX || event.deltaY);
      else view.zoom(Math.exp(event.deltaY * WHEEL_RATE), event.offsetX);
      redraw();
    },
    { passive: false },
  );
  scroller.addEventListener("scroll", redraw);
}

function listenToPointer({ canvas, scroller, view, redraw, point }: Stage): void {
  let range: { readonly startMs: number } | undefined;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("is-moving");
    range = event.shiftKey ? { startMs: view.msAt(event.offsetX) } : undefined;
    point(undefined);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return point({ x: event.offsetX, y: event.offsetY });
    if (range !== undefined) return;
    view.move(-event.movementX);
    scroller.scrollTop -= event.movementY;
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    canvas.classList.remove("is-moving");
    if (range === undefined) return;
    view.showRange(range.startMs, view.msAt(event.offsetX));
    range = undefined;
    redraw();
  });
  canvas.addEventListener("pointerleave", () => point(undefined));
  canvas.addEventListener("dblclick", () => {
    view.showAll();
    redraw();
  });
}

function listenToKeys({ scroller, view, redraw }: Stage): void {
  const actions: Readonly<Record<string, () => void>> = {
    "+": () => view.zoom(1 / KEY_FACTOR),
    "=": () => view.zoom(1 / KEY_FACTOR),
    "-": () => view.zoom(KEY_FACTOR),
    "0": () => view.showAll(),
    ArrowLeft: () => view.move(-KEY_PIXELS),
    ArrowRight: () => view.move(KEY_PIXELS),
    ArrowUp: () => scroller.scrollBy({ top: -KEY_PIXELS }),
    ArrowDown: () => scroller.scrollBy({ top: KEY_PIXELS }),
  };
  document.addEventListener("keydown", (event) => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
    redraw();
  });
}

const LEGEND: readonly (readonly [Color, string])[] = [
  ["read", "read"],
  ["compress", "compress"],
  ["hash", "hash of the tar"],
  ["append", "hash of the blob, spool"],
  ["app", "upload of the app image"],
  ["cache", "upload of the cache"],
  ["way", "from first read to last byte"],
];

function element<Kind extends HTMLElement>(id: string): Kind {
  // The page that embeds this script contains all of them.
  return document.getElementById(id) as Kind;
}

const timeline: Timeline = JSON.parse(element("timeline").textContent ?? "");
const rows = buildRows(timeline);
const view = new View(timeline.durationMs * 1.01, Math.min(0, ...timeline.earlier.map(({ startMs }) => startMs)));
const [canvas, scroller, details] = [element<HTMLCanvasElement>("canvas"), element("scroller"), element("details")];
const context = canvas.getContext("2d") as CanvasRenderingContext2D;

function describe(): void {
  const { began, durationMs, layers, markers, uploads, program } = timeline;
  const sent = uploads.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  const ready = markers.find(({ kind }) => kind === "app");
  const facts = [
    new Date(began).toLocaleString(),
    ready === undefined ? "" : `app image ready after ${durationText(ready.ms)}`,
    `${durationText(durationMs)} total`,
    `${layers.length} layer${layers.length === 1 ? "" : "s"}`,
    `${bytesText(sent)} sent`,
    program,
  ];
  element("facts").textContent = facts.filter((fact) => fact !== "").join(" · ");
  for (const [color, text] of LEGEND) {
    const [item, swatch] = [document.createElement("li"), document.createElement("i")];
    swatch.style.background = `var(--${color})`;
    item.append(swatch, text);
    element("legend").append(item);
  }
}

/** Cached because reading CSS variables is slow; they change only with the color scheme. */
let colors = new Map<string, string>();
function color(name: string): string {
  const known = colors.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  colors.set(name, known);
  return known;
}

let isDrawing = false;
function redraw(): void {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    const viewport = { scrolled: scroller.scrollTop, height: scroller.clientHeight };
    drawAll({ canvas: context, color }, { rows, markers: timeline.markers }, view, viewport);
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
  colors = new Map();
  redraw();
});
