import { chownSync, existsSync } from "node:fs";
import { isatty } from "node:tty";
import { timelinePage } from "../assets.ts";
import { SYSTEM_TICKER } from "../concurrency/clock.ts";
import { messageOf, toFault } from "../errors/fault.ts";
import type { Logger } from "../logger.ts";
import type { ExportSettings } from "../plan/inputs.ts";
import type { Environment } from "../process/environment.ts";
import { readAvailableCores } from "../process/machine.ts";
import type { CommandOutput } from "../report/output.ts";
import { VERSION } from "../version.ts";
import { type EventWriter, openEvents } from "./event-writer.ts";
import type { EventBody, EventSink } from "./events.ts";
import { Monitor } from "./monitor.ts";
import { chooseProgress, type ProgressFlag, type ProgressMode, showProgress } from "./progress/show.ts";
import { Activity } from "./summary/activity.ts";
import { type Setup, type Summary, summarize, summaryLines } from "./summary/summary.ts";
import { TimelineRecorder } from "./timeline/recorder.ts";
import { writeTimeline } from "./timeline/write.ts";

const STDOUT = 1;

/** Where an export may be shown. */
export interface Audience {
  readonly logger: Logger;
  /** Of the command; undefined in a program that exports. */
  readonly output: CommandOutput | undefined;
  readonly environment: Environment;
  readonly onEvent?: EventSink | undefined;
}

/** Those who watch an export. */
export interface Watch {
  /** What they look at, to be kept up to date. */
  readonly monitor: Monitor;
  /** The export is over: progress goes, the rest is written. @param failure what it failed with, undefined for nothing */
  end(failure: unknown): void;
  /** Nothing will happen any more. Waits for readers, and warns of what could not be written. */
  close(): Promise<void>;
}

/** How long the readers of events and timeline may pause at the end. */
const PATIENCE_MS = 10_000;

/** The same when the export was stopped. */
const STOPPED_PATIENCE_MS = 200;

/**
 * Opens all that watches an export, as the flags say: events, progress, summary and timeline.
 * @param workers as the limits of the process allow them, which may be fewer than the flags ask for
 * @throws Fault when the file of events cannot be opened
 */
export async function watchExport(
  settings: ExportSettings,
  workers: Pick<Setup, "workers" | "mostWorkers">,
  audience: Audience,
  signal: AbortSignal,
): Promise<Watch> {
  const { tuning } = settings;
  const { logger, output } = audience;
  const events = openEvents(tuning.events);
  const recorder = tuning.timeline === "" ? undefined : new TimelineRecorder();
  const monitor = new Monitor(
    (event) => {
      events.write(event);
      recorder?.event(event);
      audience.onEvent?.(event);
    },
    () => performance.now(),
    recorder,
  );
  const ticker = SYSTEM_TICKER;
  const mode = progressMode(settings, audience);
  const setup = setupOf(settings, workers, readAvailableCores());
  const activity = new Activity(monitor, Math.min(setup.workers, setup.cores), () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  });
  const hasEvents = tuning.events !== "" || audience.onEvent !== undefined;
  const stops = [
    await showProgress({ monitor, mode, hasEvents, logger, output, style: styleOf(settings, audience), ticker }),
    mode.kind === "none" && !hasEvents ? undefined : activity.watch(ticker),
    recorder?.watch(monitor, ticker),
  ];
  const warn = (what: string, reason: string) => logger.warn(`Failed to write ${what}: ${reason}`);
  const patienceMs = () => (signal.aborted ? STOPPED_PATIENCE_MS : PATIENCE_MS);
  const saveTimeline = async (from: TimelineRecorder): Promise<void> => {
    try {
      await writeTimeline(tuning.timeline, from.timeline(monitor, `tandem ${VERSION}`), timelinePage, patienceMs());
    } catch (error) {
      warn("timeline", messageOf(error));
    }
  };
  let timeline: Promise<void> | undefined;
  const end = (failure: unknown): void => {
    for (const stop of stops) stop?.();
    if (failure === undefined) {
      const summary = summarize(monitor, activity.most);
      monitor.emit(summaryEvent(summary));
      if (isSummaryDue(tuning.progress, mode, summary))
        for (const line of summaryLines(summary, setup)) logger.info(line);
    } else {
      monitor.emit(failureEvent(failure));
      if (failure instanceof Error) told.add(failure);
    }
    if (recorder !== undefined) timeline = saveTimeline(recorder);
  };
  const close = async (): Promise<void> => {
    const lost = await events.close(patienceMs());
    if (lost !== undefined) warn("events", lost);
    await timeline;
  };
  return { monitor, end, close };
}

/** The setup that the summary judges: the workers that there are, not those that the flags ask for. */
export function setupOf(
  { tuning, parallel }: Pick<ExportSettings, "tuning" | "parallel">,
  workers: Pick<Setup, "workers" | "mostWorkers">,
  cores: number,
): Setup {
  return { ...tuning, ...workers, cores, parallel };
}

/** Who wants warnings only, or lines of JSON, wants no bars. A program that exports has events, and lines only if it asks. */
function progressMode({ tuning, logLevel }: ExportSettings, { environment, output }: Audience): ProgressMode {
  if (output === undefined && tuning.progress !== "plain") return { kind: "none" };
  const isForPeople = tuning.logFormat === "text" && (logLevel === "debug" || logLevel === "info");
  return chooseProgress(tuning.progress, { isTerminal: isForPeople && isatty(STDOUT), environment });
}

function styleOf({ noColor }: ExportSettings, { environment }: Audience) {
  const { NO_COLOR = "", LC_ALL, LC_CTYPE, LANG = "" } = environment;
  return { isColoured: !noColor && NO_COLOR === "", isUnicode: /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG) };
}

/** A summary comes where progress was asked for, or would have been shown if the export had not been so quick. */
function isSummaryDue(flag: ProgressFlag, mode: ProgressMode, { totalMs }: Summary): boolean {
  return mode.kind === "bars" || flag === "plain" || (mode.kind === "lines" && totalMs >= mode.everyMs);
}

function summaryEvent({ heldUp, totalMs: _, appReadyMs, ...numbers }: Summary): EventBody {
  const ready = appReadyMs === undefined ? {} : { appReadyMs: Math.round(appReadyMs) };
  if (heldUp === undefined) return { event: "summary", ...numbers, ...ready };
  const { holdup, part } = heldUp;
  const limit = holdup.kind === "destination" ? holdup.destination : holdup.kind;
  return { event: "summary", ...numbers, ...ready, limit, limitPart: Math.round(part * 100) / 100 };
}

/** Failures that events have told of. */
const told = new WeakSet<Error>();

/** Runs an export, and tells of a failure that came before anything watched it: of credentials, users, limits. */
export async function tellingFailures<Result>(
  settings: ExportSettings,
  onEvent: EventSink | undefined,
  run: () => Promise<Result>,
): Promise<Result> {
  let writer: EventWriter | undefined;
  const monitor = new Monitor((event) => {
    onEvent?.(event);
    writer?.write(event);
  });
  try {
    return await run();
  } catch (error) {
    if (error instanceof Error && told.has(error)) throw error;
    try {
      writer = openOwnEvents(settings);
    } catch {
      // The log and the exit code have it.
    }
    monitor.emit(failureEvent(error));
    await writer?.close(STOPPED_PATIENCE_MS);
    throw error;
  }
}

/** A file that root creates is the user's of the build, whose next export appends to it. */
function openOwnEvents({ tuning: { events }, uid, gid }: ExportSettings): EventWriter {
  const isNew = typeof events === "string" && events !== "" && !existsSync(events);
  const writer = openEvents(events);
  if (isNew && process.getuid?.() === 0) chownSync(events, uid, gid);
  return writer;
}

function failureEvent(error: unknown): EventBody {
  const { message: reason, code, destination, hint } = toFault(error);
  return { event: "error", reason, code, ...(destination && { destination }), ...(hint && { hint }) };
}
