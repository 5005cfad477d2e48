import { chownSync, existsSync } from "node:fs";
import { isatty } from "node:tty";
import { timelinePage } from "../assets.ts";
import type { LauncherRelease } from "../cnb/build-metadata.ts";
import { SYSTEM_CLOCK } from "../concurrency/clock.ts";
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
import { ExportSpans } from "./telemetry/export-spans.ts";
import { type OpenSpan, openTelemetry, warnTelemetry } from "./telemetry/telemetry.ts";
import { TimelineRecorder } from "./timeline/recorder.ts";
import type { EarlierSpan } from "./timeline/timeline.ts";
import { writeTimeline } from "./timeline/write.ts";

const STDOUT = 1;

export interface ObserverOptions {
  readonly logger: Logger;
  readonly output: CommandOutput | undefined;
  readonly environment: Environment;
  readonly onEvent?: EventSink | undefined;
  readonly launcherRelease: Promise<LauncherRelease>;
  readonly earlier?: (() => readonly EarlierSpan[]) | undefined;
  readonly telemetry?: { readonly span: OpenSpan | undefined };
}

export interface Observers {
  readonly monitor: Monitor;
  end(failure: unknown): void;
  /** Waits for readers, and warns of failed writes. Call last. */
  close(): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 10_000;

const STOPPED_TIMEOUT_MS = 200;

/**
 * Starts the observers that the flags request: events, progress, summary, timeline and telemetry.
 * @param workers limited by the process's limits, so possibly fewer than requested
 * @throws Fault if the event file cannot be opened
 */
export async function watchExport(
  settings: ExportSettings,
  workers: Pick<Setup, "workers" | "maxWorkers">,
  options: ObserverOptions,
  signal: AbortSignal,
): Promise<Observers> {
  const { tuning } = settings;
  const { logger, output } = options;
  const events = openEvents(tuning.events);
  const recorder = tuning.timeline === "" ? undefined : new TimelineRecorder();
  const { environment, launcherRelease } = options;
  const telemetry =
    options.telemetry === undefined
      ? openTelemetry("export", { settings, environment, logger, launcherRelease })
      : undefined;
  const span = options.telemetry?.span ?? telemetry?.start("export");
  const spans = span === undefined ? undefined : new ExportSpans(span, settings);
  const monitor = new Monitor(
    (event) => {
      events.write(event);
      recorder?.event(event);
      spans?.event(event);
      options.onEvent?.(event);
    },
    () => performance.now(),
    recorder,
    spans,
  );
  const clock = SYSTEM_CLOCK;
  const mode = progressMode(settings, options);
  const setup = setupOf(settings, workers, readAvailableCores());
  const activity = new Activity(monitor, Math.min(setup.workers, setup.cores), () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  });
  const hasEvents = tuning.events !== "" || options.onEvent !== undefined;
  const stops = [
    await showProgress({ monitor, mode, hasEvents, logger, output, style: styleOf(settings, options), clock }),
    mode.kind === "none" && !hasEvents ? undefined : activity.watch(clock),
    recorder?.watch(monitor, clock),
  ];
  const warn = (what: string, reason: string) => logger.warn(`Failed to write ${what}: ${reason}`);
  const timeoutMs = () => (signal.aborted ? STOPPED_TIMEOUT_MS : CLOSE_TIMEOUT_MS);
  const saveTimeline = async (from: TimelineRecorder): Promise<void> => {
    try {
      const timeline = from.timeline(monitor, `tandem ${VERSION}`, options.earlier?.());
      await writeTimeline(tuning.timeline, timeline, timelinePage, timeoutMs());
    } catch (error) {
      warn("timeline", messageOf(error));
    }
  };
  let timeline: Promise<void> | undefined;
  const end = (failure: unknown): void => {
    for (const stop of stops) stop?.();
    if (failure === undefined) {
      const summary = summarize(monitor, activity.bottleneck);
      monitor.emit(summaryEvent(summary));
      if (isSummaryDue(tuning.progress, mode, summary))
        for (const line of summaryLines(summary, setup)) logger.info(line);
    } else {
      monitor.emit(failureEvent(failure));
      if (failure instanceof Error) reported.add(failure);
    }
    spans?.end(failure);
    if (recorder !== undefined) timeline = saveTimeline(recorder);
  };
  const close = async (): Promise<void> => {
    const lost = await events.close(timeoutMs());
    if (lost !== undefined) warn("events", lost);
    await timeline;
    const unwritten = await telemetry?.close();
    if (unwritten !== undefined) warnTelemetry(logger, unwritten);
  };
  return { monitor, end, close };
}

export function setupOf(
  { tuning, parallel }: Pick<ExportSettings, "tuning" | "parallel">,
  workers: Pick<Setup, "workers" | "maxWorkers">,
  cores: number,
): Setup {
  return { ...tuning, ...workers, cores, parallel };
}

function progressMode({ tuning, logLevel }: ExportSettings, { environment, output }: ObserverOptions): ProgressMode {
  if (output === undefined && tuning.progress !== "plain") return { kind: "none" };
  const isForPeople = tuning.logFormat === "text" && (logLevel === "debug" || logLevel === "info");
  return chooseProgress(tuning.progress, { isTerminal: isForPeople && isatty(STDOUT), environment });
}

function styleOf({ noColor }: ExportSettings, { environment }: ObserverOptions) {
  const { NO_COLOR = "", LC_ALL, LC_CTYPE, LANG = "" } = environment;
  return { isColored: !noColor && NO_COLOR === "", isUnicode: /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG) };
}

function isSummaryDue(flag: ProgressFlag, mode: ProgressMode, { totalMs }: Summary): boolean {
  return mode.kind === "bars" || flag === "plain" || (mode.kind === "lines" && totalMs >= mode.everyMs);
}

function summaryEvent(summary: Summary): EventBody {
  const { bottleneck, totalMs: _, appReadyMs, earlyLayers, earlyBytes, earlyWastedBytes, ...rest } = summary;
  const numbers = {
    ...rest,
    ...(earlyLayers > 0 && { earlyLayers, earlyBytes }),
    ...(earlyWastedBytes > 0 && { earlyWastedBytes }),
  };
  const ready = appReadyMs === undefined ? {} : { appReadyMs: Math.round(appReadyMs) };
  if (bottleneck === undefined) return { event: "summary", ...numbers, ...ready };
  const { constraint, share } = bottleneck;
  const limit = constraint.kind === "destination" ? constraint.destination : constraint.kind;
  return { event: "summary", ...numbers, ...ready, limit, limitPart: Math.round(share * 100) / 100 };
}

const reported = new WeakSet<Error>();

/**
 * Also reports failures that precede the observers: of credentials, users, limits.
 * @param settings name the file of events; undefined if they are what failed
 */
export async function reportingFailures<Result>(
  settings: ExportSettings | undefined,
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
    if (error instanceof Error && reported.has(error)) throw error;
    try {
      writer = settings && openOwnEvents(settings);
    } catch {
      // The log and the exit code report the failure.
    }
    monitor.emit(failureEvent(error));
    await writer?.close(STOPPED_TIMEOUT_MS);
    throw error;
  }
}

/** A file that root creates is given to the build's user, whose next export appends to it. */
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
