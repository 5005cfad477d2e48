import type { IntervalClock } from "../../concurrency/clock.ts";
import type { Logger } from "../../logger.ts";
import type { CommandOutput } from "../../report/output.ts";
import type { Monitor } from "../monitor.ts";
import { bytesText, durationText, percentText, speedText } from "../quantities.ts";
import { DestinationMeters, type DestinationProgress, isMoving, LayerMeters, type LayerProgress } from "./meters.ts";

export type ProgressFlag = "auto" | "tty" | "plain" | "none";

export interface TerminalFacts {
  readonly isTerminal: boolean;
  readonly environment: { readonly TERM?: string | undefined; readonly CI?: string | undefined };
}

/**
 * How progress is shown: as bars, as log lines at an interval, or not at all.
 *
 * Without a terminal, platforms read the log: short exports log only the reference's lines, longer ones report
 * progress. A dumb terminal, and that of a CI, whose log is read afterwards, do not count as terminals.
 */
export type ProgressMode =
  | { readonly kind: "bars" }
  | { readonly kind: "lines"; readonly everyMs: number }
  | { readonly kind: "none" };

export function chooseProgress(flag: ProgressFlag, { isTerminal, environment }: TerminalFacts): ProgressMode {
  if (flag === "none") return { kind: "none" };
  if (flag === "tty") return { kind: "bars" };
  if (flag === "plain") return { kind: "lines", everyMs: 5_000 };
  const { TERM, CI = "" } = environment;
  const isCi = CI !== "" && CI !== "0" && CI !== "false";
  return isTerminal && TERM !== "dumb" && !isCi ? { kind: "bars" } : { kind: "lines", everyMs: 10_000 };
}

/**
 * Prefix of progress lines. It is not the beginning of any line of the reference, and contains no words that platforms
 * sample for.
 */
const START = "Progress:";

function progressLines(
  destinations: readonly DestinationProgress[],
  layers: readonly LayerProgress[],
  elapsedMs: number,
): string[] {
  const moving = destinations.filter(isMoving);
  if (moving.length > 0) return moving.map((one) => `${START} ${destinationText(one)}`);
  const busy = layers.filter(({ doing }) => doing !== "waiting");
  const rest = layers.length - busy.length;
  const more = rest === 0 ? "" : `, ${rest} queued`;
  const names = busy.map(({ id, doing, fraction }) => `${doing} ${id} ${percentText(fraction)}`);
  const what = names.length === 0 ? "waiting for the destination" : names.join(", ");
  return [`${START} ${what}${more}, ${durationText(elapsedMs)} elapsed`];
}

function destinationText(progress: DestinationProgress): string {
  const { destination, fraction, sentBytes, expectedBytes, bytesPerSecond, secondsLeft } = progress;
  const bytes = `${bytesText(sentBytes)} of ${bytesText(expectedBytes)}`;
  const left = secondsLeft === undefined ? "waiting" : `${durationText(secondsLeft * 1000)} left`;
  return `${destination} ${percentText(fraction)}, ${bytes}, ${speedText(bytesPerSecond)}, ${left}`;
}

const REDRAW_MS = 100;

const EVENT_MS = 5_000;

export interface ProgressParts {
  readonly monitor: Monitor;
  readonly mode: ProgressMode;
  readonly hasEvents: boolean;
  readonly logger: Logger;
  readonly output: CommandOutput | undefined;
  readonly style: { readonly isColored: boolean; readonly isUnicode: boolean };
  readonly clock: IntervalClock;
}

export async function showProgress(parts: ProgressParts): Promise<() => void> {
  const { mode, hasEvents, output } = parts;
  const stops = [
    ...(hasEvents ? emitEvents(parts) : []),
    ...(mode.kind === "lines" ? logLines(parts, mode.everyMs) : []),
    ...(mode.kind === "bars" && output !== undefined ? [await drawBars({ ...parts, output })] : []),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function emitEvents({ monitor, clock }: ProgressParts): (() => void)[] {
  const meters = new DestinationMeters();
  const stopReporting = clock.every(EVENT_MS, () => {
    for (const progress of meters.read(monitor, clock.now())) if (isMoving(progress)) monitor.emit(eventOf(progress));
  });
  return [watch(meters, monitor, clock), stopReporting];
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

function logLines({ monitor, clock, logger }: ProgressParts, everyMs: number): (() => void)[] {
  const [destinations, layers] = [new DestinationMeters(), new LayerMeters()];
  const stopReporting = clock.every(everyMs, () => {
    const now = clock.now();
    const [uploads, builds] = [destinations.read(monitor, now), layers.read(monitor, now)];
    for (const line of progressLines(uploads, builds, monitor.elapsedMs())) logger.info(line);
  });
  return [watch(destinations, monitor, clock), stopReporting];
}

/** Speeds are averages, so they need samples between the reports. */
function watch(meters: DestinationMeters, monitor: Monitor, clock: IntervalClock): () => void {
  return clock.every(1000, () => void meters.read(monitor, clock.now()));
}

async function drawBars({
  monitor,
  clock,
  output,
  style,
}: ProgressParts & { readonly output: CommandOutput }): Promise<() => void> {
  const [{ Drawing, standardScreen }, { drawBars: picture }] = await Promise.all([
    import("./drawing.ts"),
    import("./bars.ts"),
  ]);
  const screen = standardScreen(output.screen);
  const drawing = new Drawing(screen, clock.now);
  const [destinations, layers] = [new DestinationMeters(), new LayerMeters()];
  output.printThrough(drawing);
  const stopDrawing = clock.every(REDRAW_MS, () => {
    const now = clock.now();
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
