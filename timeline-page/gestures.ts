import type { View } from "./view.ts";

/** Zoom of one notch of a wheel, and of one press of a key. */
const WHEEL_RATE = 0.0015;
const KEY_FACTOR = 1.4;
const KEY_PIXELS = 80;

/** What gestures act on. */
export interface Stage {
  readonly canvas: HTMLCanvasElement;
  readonly scroller: HTMLElement;
  readonly view: View;
  /** Draws again soon. */
  readonly redraw: () => void;
  /** The pointer is here; undefined: it is gone, or busy. */
  readonly point: (at: { readonly x: number; readonly y: number } | undefined) => void;
}

/** Lets wheel, pointer and keys move and zoom. */
export function listen(stage: Stage): void {
  listenToWheel(stage);
  listenToPointer(stage);
  listenToKeys(stage);
}

function listenToWheel({ canvas, scroller, view, redraw }: Stage): void {
  canvas.addEventListener(
    "wheel",
    (event) => {
      // Over the names, a wheel scrolls as everywhere.
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
