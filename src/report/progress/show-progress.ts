import type { Logger } from "../../flow/logger.ts";
import type { Monitor } from "../../flow/monitor.ts";
import type { CommandOutput } from "../command-output.ts";
import { DestinationMeters, type DestinationProgress } from "./destination-progress.ts";
import { LayerMeters } from "./layer-progress.ts";
import { progressLines } from "./progress-line.ts";
import type { ProgressMode } from "./progress-mode.ts";
import type { Ticker } from "./ticker.ts";

/** Pictures a second: smooth enough, and nothing that a core notices. */
const PICTURE_MS = 100;

/** How often `-events` has how far destinations are. */
const EVENT_MS = 5_000;

/** What progress is made of and where it is shown. */
export interface ProgressParts {
  readonly monitor: Monitor;
  readonly mode: ProgressMode;
  /** Whether `-events` is to have it too. */
  readonly hasEvents: boolean;
  readonly logger: Logger;
  /** For bars; without it there are none. */
  readonly output: CommandOutput | undefined;
  /** Whether bars may have colours, and characters beyond ASCII. */
  readonly style: { readonly isColoured: boolean; readonly isUnicode: boolean };
  readonly ticker: Ticker;
}

/**
 * Shows how far an export is, until the returned function is called. Nobody who works knows of it: it looks at the monitor's numbers
 * now and then.
 */
export async function showProgress(parts: ProgressParts): Promise<() => void> {
  const { mode, hasEvents, output } = parts;
  const stops = [
    hasEvents ? tellEvents(parts) : undefined,
    mode.kind === "lines" ? tellLines(parts, mode.everyMs) : undefined,
    mode.kind === "bars" && output !== undefined ? await drawBars({ ...parts, output }) : undefined,
  ];
  return () => {
    for (const stop of stops) stop?.();
  };
}

function tellEvents({ monitor, ticker }: ProgressParts): () => void {
  const meters = new DestinationMeters();
  const look = watch(meters, monitor, ticker);
  const tell = ticker.every(EVENT_MS, () => {
    for (const progress of meters.read(monitor, ticker.now())) if (isMoving(progress)) monitor.emit(eventOf(progress));
  });
  return both(look, tell);
}

function isMoving({ isDone, expectedBytes }: DestinationProgress): boolean {
  return !isDone && expectedBytes > 0;
}

function eventOf({ destination, image, sentBytes, expectedBytes, bytesPerSecond, secondsLeft }: DestinationProgress) {
  const left = secondsLeft === undefined ? {} : { secondsLeft: Math.round(secondsLeft * 10) / 10 };
  const speed = Math.round(bytesPerSecond);
  return {
    event: "upload-progress",
    destination,
    image,
    sentBytes,
    expectedBytes,
    bytesPerSecond: speed,
    ...left,
  } as const;
}

function tellLines({ monitor, ticker, logger }: ProgressParts, everyMs: number): () => void {
  const [destinations, layers] = [new DestinationMeters(), new LayerMeters()];
  const look = watch(destinations, monitor, ticker);
  const tell = ticker.every(everyMs, () => {
    const now = ticker.now();
    const [sent, made] = [destinations.read(monitor, now), layers.read(monitor, now)];
    for (const line of progressLines(sent, made, monitor.elapsedMs())) logger.info(line);
  });
  return both(look, tell);
}

/** A speed needs looks between two lines. */
function watch(meters: DestinationMeters, monitor: Monitor, ticker: Ticker): () => void {
  return ticker.every(1000, () => void meters.read(monitor, ticker.now()));
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}

/** The libraries that draw are loaded where something is drawn only. */
async function drawBars({
  monitor,
  ticker,
  output,
  style,
}: ProgressParts & { readonly output: CommandOutput }): Promise<() => void> {
  const [{ Drawing }, { drawBars: picture }, { standardScreen }] = await Promise.all([
    import("./drawing.ts"),
    import("./bars.ts"),
    import("./screen.ts"),
  ]);
  const screen = standardScreen(output.screen);
  const drawing = new Drawing(screen, ticker.now);
  const [destinations, layers] = [new DestinationMeters(), new LayerMeters()];
  output.printThrough(drawing);
  const stopDrawing = ticker.every(PICTURE_MS, () => {
    const now = ticker.now();
    drawing.draw(picture(layers.read(monitor, now), destinations.read(monitor, now), screen, style));
  });
  const stop = (): void => {
    process.off("exit", stop);
    stopDrawing();
    output.printThrough(undefined);
    drawing.end();
  };
  // However the process ends, the cursor is visible afterwards.
  process.once("exit", stop);
  return stop;
}
