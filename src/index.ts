import { addAbortListener } from "node:events";
import { environmentFault, runExporterWith } from "./cli/library.ts";
import { Fault, messageOf, toFault } from "./errors/fault.ts";
import { printable, printableMessage } from "./errors/printable.ts";
import { openSecretScope, withoutSecrets } from "./errors/secrets.ts";
import type { ExportOptions } from "./inputs/parse.ts";
import type { Logger } from "./logger.ts";
import type { EventSink, ExportEvent } from "./observe/events.ts";
import { type Environment, homeDirectory, workingDirectory } from "./process/environment.ts";

/**
 * The exporter as a library. The command `exporter` is this, behind a parser for its arguments.
 *
 * @example
 * ```ts
 * const exporting = exportImages({
 *   images: ["registry.example/app"],
 *   cacheImage: "registry.example/app-cache",
 *   parallel: true,
 * });
 * for await (const event of exporting) if (event.event === "app-image-ready") deploy(event.digest);
 * const { app } = await exporting.result;
 * ```
 */

export { Fault, type FaultCode, type FaultDetails } from "./errors/fault.ts";
export type { ExportOptions, ImageNames } from "./inputs/parse.ts";
export type { Logger } from "./logger.ts";
export type { ExportEvent } from "./observe/events.ts";

/** The environment of an export. Omitted and undefined members are taken from the process. */
export interface ExportEnvironment {
  /** Environment variables: the Platform API, omitted options, credentials and proxies. */
  readonly env?: Environment | undefined;
  /** Working directory, absolute. Relative paths in options and variables start here. */
  readonly cwd?: string | undefined;
  /** Home directory, absolute, for docker's configuration. */
  readonly home?: string | undefined;
  /** Receives the log; without it nothing is logged. If it throws, that line is lost and the export goes on. */
  readonly logger?: Logger | undefined;
  /**
   * Stops the export: uploads are cancelled, caches stay unchanged, and the result rejects with the signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
}

type EventOf<Kind extends ExportEvent["event"]> = Extract<ExportEvent, { readonly event: Kind }>;

/** The outcome of an export. */
export interface ExportResult {
  /** The app image. */
  readonly app: EventOf<"app-image-ready">;
  /** The cache; undefined if none was requested, or if it failed, which is only a warning in the log. */
  readonly cache: EventOf<"cache-ready"> | undefined;
}

/** An export in progress. Iterating yields its events from then on, until it ends or fails; only `result` rejects. */
export interface Export extends AsyncIterable<ExportEvent> {
  /** @throws (rejects with) Fault, whose `exitCode` is the command's; the signal's reason */
  readonly result: Promise<ExportResult>;
}

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * Exports the app image of a build and, if requested, the cache (docs/compatibility.md#parallel-export). It starts
 * in the next turn of the event loop: a loop over its events that begins in this turn misses none.
 * @param options what to export and how; copied at the call, so later changes have no effect
 * @param environment variables, directories and log
 */
export function exportImages(options: ExportOptions, environment: ExportEnvironment = {}): Export {
  const watchers = new Set<ReadableStreamDefaultController<ExportEvent>>();
  const onEvent = (event: ExportEvent): void => {
    // Consumers may change their events.
    for (const watcher of watchers) watcher.enqueue(structuredClone(event));
  };
  let isOver = false;
  const result = begin(options, environment, onEvent).finally(() => {
    isOver = true;
    for (const watcher of watchers) watcher.close();
  });
  // A caller that only reads events learns of a failure from them.
  result.catch(() => undefined);
  return { result, [Symbol.asyncIterator]: () => watch(watchers, isOver) };
}

function watch(
  watchers: Set<ReadableStreamDefaultController<ExportEvent>>,
  isOver: boolean,
): AsyncIterator<ExportEvent, void, undefined> {
  let own: ReadableStreamDefaultController<ExportEvent> | undefined;
  const events = new ReadableStream<ExportEvent>({
    start(controller) {
      if (isOver) return controller.close();
      own = controller;
      watchers.add(controller);
    },
    cancel() {
      if (own !== undefined) watchers.delete(own);
    },
  });
  return events.values();
}

async function begin(given: ExportOptions, environment: ExportEnvironment, tell: EventSink): Promise<ExportResult> {
  const flaw = environmentFault(environment);
  const {
    env: givenEnv = process.env,
    cwd = workingDirectory(),
    home = homeDirectory(givenEnv),
    logger = SILENT,
    signal,
  } = flaw === undefined ? environment : {};
  // The caller may use its objects for another export before the next turn.
  const [options, env] = [copyOf(given), { ...givenEnv }];
  await new Promise((resolve) => setImmediate(resolve));
  let app: ExportResult["app"] | undefined;
  let cache: ExportResult["cache"];
  const onEvent = (event: ExportEvent): void => {
    if (event.event === "app-image-ready") app = event;
    if (event.event === "cache-ready") cache = event;
    tell(event);
  };
  const host = { env, cwd, home, logger: guarded(logger), onEvent, flaw };
  const stop = new AbortController();
  using _secrets = openSecretScope();
  using _stopping = signal && addAbortListener(signal, () => stop.abort(stoppedBy(signal)));
  await runExporterWith(options, host, stop.signal).catch((error: unknown) => {
    throw error === stop.signal.reason ? signal?.reason : toFault(error);
  });
  if (app === undefined) throw new Fault("EXPORT_INTERNAL", "the export ended without an app image");
  return { app, cache };
}

/** Any other reason than a fault would be reported as a defect, by events and telemetry. */
function stoppedBy({ reason }: AbortSignal): Fault {
  return new Fault("EXPORT_CANCELLED", `stopped by the caller: ${messageOf(reason)}`, { cause: reason });
}

/** An option that cannot be copied is refused by its name later. */
function copyOf(options: ExportOptions): ExportOptions {
  try {
    return structuredClone(options);
  } catch {
    return options;
  }
}

/**
 * A logger that throws loses its line; the export goes on. Messages are redacted and escaped as in the command's log.
 */
function guarded(logger: Logger): Logger {
  const log = (level: keyof Logger) => (message: string) => {
    const shown = withoutSecrets(message);
    const line = level === "debug" || level === "info" ? printableMessage(shown) : printable(shown);
    // A logger's failure, thrown or rejected, has nowhere to be reported.
    new Promise((resolve) => resolve(logger[level](line))).catch(() => undefined);
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}
