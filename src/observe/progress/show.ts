import type { Ticker } from "../../concurrency/clock.ts";
import type { Logger } from "../../logger.ts";
import type { CommandOutput } from "../../report/output.ts";
import type { Monitor } from "../monitor.ts";
import { bytesText, durationText, percentText, speedText } from "../quantities.ts";
import { DestinationMeters, type DestinationProgress, LayerMeters, type LayerProgress } from "./meters.ts";

/** `-progress`, as it was given. */
export type ProgressFlag = "auto" | "tty" | "plain" | "none";

/** What a terminal, or what is there instead, is said to be. */
export interface TerminalFacts {
  /** Whether the log goes to a terminal. */
  readonly isTerminal: boolean;
  /** TERM, CI. */
  readonly environment: { readonly TERM?: string | undefined; readonly CI?: string | undefined };
}

/**
 * How progress is shown: bars, lines after so many ms and then every so many ms, or not.
 *
 * Without a terminal, platforms read the log, and an export that is quick says there what the reference says and nothing else; one
 * that takes long enough for people to wonder tells how far it is. A terminal that cannot move its cursor, and that of a CI, whose
 * log is read afterwards, count as none.
 */
export type ProgressMode =
  | { readonly kind: "bars" }
  | { readonly kind: "lines"; readonly everyMs: number }
  | { readonly kind: "none" };

/** Decides what `-progress` means here. */
export function chooseProgress(flag: ProgressFlag, { isTerminal, environment }: TerminalFacts): ProgressMode {
  if (flag === "none") return { kind: "none" };
  if (flag === "tty") return { kind: "bars" };
  if (flag === "plain") return { kind: "lines", everyMs: 5_000 };
  const { TERM, CI = "" } = environment;
  const isCi = CI !== "" && CI !== "0" && CI !== "false";
  return isTerminal && TERM !== "dumb" && !isCi ? { kind: "bars" } : { kind: "lines", everyMs: 10_000 };
}

/** What the lines of progress begin with. None of the reference's do, and none holds the words that platforms look for. */
const START = "Progress:";

/**
 * Lines of a log that say how far an export is: one for each destination that something is left to send to, or one about layers
 * while nothing can be sent yet.
 */
function progressLines(
  destinations: readonly DestinationProgress[],
  layers: readonly LayerProgress[],
  elapsedMs: number,
): string[] {
  const moving = destinations.filter(({ isDone, expectedBytes }) => !isDone && expectedBytes > 0);
  if (moving.length > 0) return moving.map((one) => `${START} ${destinationText(one)}`);
  const busy = layers.filter(({ doing }) => doing !== "waiting");
  const rest = layers.length - busy.length;
  const more = rest === 0 ? "" : `, ${rest} to come`;
  const names = busy.map(({ id, doing, fraction }) => `${doing} ${id} ${percentText(fraction)}`);
  const what = names.length === 0 ? "waiting for the other side" : names.join(", ");
  return [`${START} ${what}${more}, ${durationText(elapsedMs)} so far`];
}

function destinationText(progress: DestinationProgress): string {
  const { destination, fraction, sentBytes, expectedBytes, bytesPerSecond, secondsLeft } = progress;
  const bytes = `${bytesText(sentBytes)} of ${bytesText(expectedBytes)}`;
  const left = secondsLeft === undefined ? "waiting" : `${durationText(secondsLeft * 1000)} left`;
  return `${destination} ${percentText(fraction)}, ${bytes}, ${speedText(bytesPerSecond)}, ${left}`;
}

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
    import("./drawing.ts"),
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
