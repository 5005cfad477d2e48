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
import type { EventBody, EventSink, ExportEvent } from "./events.ts";
import { Monitor } from "./monitor.ts";
import { chooseProgress, type ProgressFlag, type ProgressMode, showProgress } from "./progress/show.ts";
import { Activity } from "./summary/activity.ts";
import { type Setup, type Summary, summarize, summaryLines } from "./summary/summary.ts";
import { ExportSpans } from "./telemetry/export-spans.ts";
import { type OpenSpan, openTelemetry, type Telemetry, warnTelemetry } from "./telemetry/telemetry.ts";
import { TimelineRecorder } from "./timeline/recorder.ts";
import type { EarlierSpan } from "./timeline/timeline.ts";
import { writeTimeline } from "./timeline/write.ts";

const STDOUT = 1;

export interface ObserverOptions {
  readonly logger: Logger;
  /** Absent in the library, whose caller gets the events. */
  readonly output?: CommandOutput | undefined;
  readonly environment: Environment;
  readonly onEvent?: EventSink | undefined;
  readonly launcherRelease: Promise<LauncherRelease>;
  readonly earlier?: (() => readonly EarlierSpan[]) | undefined;
  /** The export's span in the creator's telemetry. Absent: the export opens telemetry of its own. */
  readonly telemetry?: { readonly span: OpenSpan | undefined };
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
  const observers = new Observers(settings, workers, options, signal);
  await observers.start();
  return observers;
}

export class Observers {
  readonly monitor: Monitor;
  readonly #settings: ExportSettings;
  readonly #options: ObserverOptions;
  readonly #signal: AbortSignal;
  readonly #events: EventWriter;
  readonly #recorder: TimelineRecorder | undefined;
  readonly #telemetry: Telemetry | undefined;
  readonly #spans: ExportSpans | undefined;
  readonly #setup: Setup;
  readonly #activity: Activity;
  readonly #progress: ProgressMode;
  #stops: readonly (undefined | (() => void))[] = [];
  #savedTimeline: Promise<void> | undefined;

  constructor(
    settings: ExportSettings,
    workers: Pick<Setup, "workers" | "maxWorkers">,
    options: ObserverOptions,
    signal: AbortSignal,
  ) {
    const { events, timeline } = settings.tuning;
    this.#settings = settings;
    this.#options = options;
    this.#signal = signal;
    this.#events = openEvents(events);
    this.#recorder = timeline === "" ? undefined : new TimelineRecorder();
    if (options.telemetry === undefined) this.#telemetry = openTelemetry("export", { settings, ...options });
    const span = options.telemetry?.span ?? this.#telemetry?.start("export");
    this.#spans = span === undefined ? undefined : new ExportSpans(span, settings);
    const onEvent = (event: ExportEvent): void => {
      this.#events.write(event);
      this.#recorder?.event(event);
      this.#spans?.event(event);
      options.onEvent?.(event);
    };
    this.monitor = new Monitor(onEvent, () => performance.now(), this.#recorder, this.#spans);
    this.#setup = setupOf(settings, workers, readAvailableCores());
    this.#activity = new Activity(this.monitor, Math.min(this.#setup.workers, this.#setup.cores), () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    });
    this.#progress = progressMode(settings, options);
  }

  async start(): Promise<void> {
    const { logger, output } = this.#options;
    const { monitor } = this;
    const [mode, clock] = [this.#progress, SYSTEM_CLOCK];
    const hasEvents = this.#settings.tuning.events !== "" || output === undefined;
    const style = styleOf(this.#settings, this.#options);
    this.#stops = [
      await showProgress({ monitor, mode, hasEvents, logger, output, style, clock }),
      mode.kind === "none" && !hasEvents ? undefined : this.#activity.watch(clock),
      this.#recorder?.watch(monitor, clock),
    ];
  }

  end(failure: unknown): void {
    for (const stop of this.#stops) stop?.();
    if (failure === undefined) this.#summarize();
    else this.monitor.emit(failureEvent(failure));
    this.#spans?.end(failure);
    if (this.#recorder !== undefined) this.#savedTimeline = this.#saveTimeline(this.#recorder);
  }

  /** Waits for readers, and warns of failed writes. Call last. */
  async close(): Promise<void> {
    const lost = await this.#events.close(this.#timeoutMs);
    if (lost !== undefined) this.#warn("events", lost);
    await this.#savedTimeline;
    const unwritten = await this.#telemetry?.close();
    if (unwritten !== undefined) warnTelemetry(this.#options.logger, unwritten);
  }

  #summarize(): void {
    const summary = summarize(this.monitor, this.#activity.bottleneck);
    this.monitor.emit(summaryEvent(summary));
    if (!isSummaryDue(this.#settings.tuning.progress, this.#progress, summary)) return;
    for (const line of summaryLines(summary, this.#setup)) this.#options.logger.info(line);
  }

  async #saveTimeline(recorder: TimelineRecorder): Promise<void> {
    try {
      const timeline = recorder.timeline(this.monitor, `tandem ${VERSION}`, this.#options.earlier?.());
      await writeTimeline(this.#settings.tuning.timeline, timeline, timelinePage, this.#timeoutMs);
    } catch (error) {
      this.#warn("timeline", messageOf(error));
    }
  }

  get #timeoutMs(): number {
    return this.#signal.aborted ? STOPPED_TIMEOUT_MS : CLOSE_TIMEOUT_MS;
  }

  #warn(what: string, reason: string): void {
    this.#options.logger.warn(`Failed to write ${what}: ${reason}`);
  }
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

/**
 * Reports failures that precede the observers, such as those of credentials, users and limits.
 * @param settings name the file of events; undefined if they are what failed
 * @param run must send the observers' events to the sink that it gets, so that their `error` is not reported twice
 */
export async function reportingFailures<Result>(
  settings: ExportSettings | undefined,
  onEvent: EventSink | undefined,
  run: (onEvent: EventSink) => Promise<Result>,
): Promise<Result> {
  let writer: EventWriter | undefined;
  let isReported = false;
  const observe = (event: ExportEvent): void => {
    isReported ||= event.event === "error";
    onEvent?.(event);
    writer?.write(event);
  };
  const monitor = new Monitor(observe);
  try {
    return await run(observe);
  } catch (error) {
    if (isReported) throw error;
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
