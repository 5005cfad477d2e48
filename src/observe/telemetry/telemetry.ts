import { formatApiVersion } from "../../cnb/api.ts";
import { Fault, messageOf } from "../../errors/fault.ts";
import { withoutSecrets } from "../../errors/secrets.ts";
import { isSystemError } from "../../go/errno.ts";
import type { Logger } from "../../logger.ts";
import type { ExportSettings } from "../../plan/inputs.ts";
import type { Environment } from "../../process/environment.ts";
import { VERSION } from "../../version.ts";
import { TelemetryFile } from "./file.ts";
import { type Attributes, type Origin, type SpanEvent, type SpanRecord, tracesLine } from "./otlp.ts";
import { newId, newTrace, parseTraceparent, type TraceContext, traceparentOf } from "./trace-context.ts";

/** A platform's `traceparent`: the parent of a command's first span (RFC 0131, "Context Propagation"). */
export const TRACEPARENT_ENV = "CNB_OTEL_TRACEPARENT";

/**
 * A process becomes a child of the span by its `traceparent`. Only the first call of `end` counts; its failure is
 * undefined for success.
 */
export interface OpenSpan {
  readonly telemetry: Telemetry;
  readonly traceparent: string;
  set(attributes: Attributes): void;
  addEvent(name: string, attributes?: Attributes): void;
  startChild(name: string, options?: SpanOptions): OpenSpan;
  end(failure?: unknown, endMs?: number): void;
}

interface SpanOptions {
  readonly kind?: "internal" | "client";
  readonly startMs?: number;
  readonly attributes?: Attributes;
}

type TelemetrySink = Pick<TelemetryFile, "write" | "failure" | "close">;

/**
 * With `hasNames` the file also has references, paths, digests, layers and error messages; without, it is anonymous.
 * `lifecycleVersion` must not reject. `now` is in ms since 1970, unaffected by changes of the system clock.
 */
interface TelemetryOptions {
  readonly context: TraceContext;
  readonly hasNames: boolean;
  readonly platformApi: string;
  readonly lifecycleVersion: Promise<string>;
  readonly now?: () => number;
}

/** Writes each span as soon as it ends and the version of the lifecycle is known. */
export class Telemetry {
  readonly hasNames: boolean;
  readonly now: () => number;
  readonly #sink: TelemetrySink;
  readonly #context: TraceContext;
  readonly #waiting: SpanRecord[] = [];
  readonly #known: Promise<void>;
  #origin: Origin | undefined;

  constructor(sink: TelemetrySink, options: TelemetryOptions) {
    const { context, hasNames, platformApi, lifecycleVersion, now = wallClock } = options;
    this.hasNames = hasNames;
    this.now = now;
    this.#sink = sink;
    this.#context = context;
    this.#known = lifecycleVersion.then((version) => {
      this.#origin = originOf(version, platformApi);
      for (const record of this.#waiting.splice(0)) this.#write(record);
    });
  }

  start(name: string, options: SpanOptions = {}): OpenSpan {
    const { parentId } = this.#context;
    return this.#startSpan(name, options, { parentSpanId: parentId, isParentRemote: parentId !== "" });
  }

  /** @returns why lines are missing; undefined if none are */
  async close(): Promise<string | undefined> {
    await this.#known;
    this.#sink.close();
    return this.#sink.failure?.message;
  }

  describe(error: unknown): { readonly type: string; readonly message: string } {
    const type = errorType(error);
    return { type, message: this.hasNames ? messageOf(error) : type };
  }

  #startSpan(
    name: string,
    { kind = "internal", startMs = this.now(), attributes = {} }: SpanOptions,
    parent: Pick<SpanRecord, "parentSpanId" | "isParentRemote">,
  ): OpenSpan {
    const { traceId, flags: traceFlags } = this.#context;
    const spanId = newId(8);
    let all = attributes;
    const events: SpanEvent[] = [];
    let isOpen = true;
    return {
      telemetry: this,
      traceparent: traceparentOf(traceId, spanId, traceFlags),
      set: (more) => {
        all = { ...all, ...more };
      },
      addEvent: (event, more = {}) => events.push({ name: event, ms: this.now(), attributes: more }),
      startChild: (child, options = {}) =>
        this.#startSpan(child, options, { parentSpanId: spanId, isParentRemote: false }),
      end: (error, endMs = this.now()) => {
        if (!isOpen) return;
        isOpen = false;
        const failure = error === undefined ? undefined : this.describe(error);
        const record = {
          ...{ traceId, spanId, ...parent, traceFlags, name, kind, startMs, endMs, events },
          attributes: failure === undefined ? all : { ...all, "error.type": failure.type },
          failure: failure?.message,
        };
        if (this.#origin === undefined) this.#waiting.push(record);
        else this.#write(record);
      },
    };
  }

  #write(record: SpanRecord): void {
    if (this.#origin !== undefined) this.#sink.write(withoutSecrets(tracesLine(this.#origin, record)));
  }
}

function wallClock(): number {
  return performance.timeOrigin + performance.now();
}

/** The code of a fault or of a system call: messages may contain names. */
function errorType(error: unknown): string {
  if (error instanceof Fault) return error.code;
  return isSystemError(error) ? error.code : "EXPORT_INTERNAL";
}

/** Names of processors in OpenTelemetry's semantic conventions (`host.arch`). */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "x86", arm: "arm32" };

function originOf(lifecycleVersion: string, platformApi: string): Origin {
  const { arch, platform } = process;
  return {
    resource: {
      "service.name": "tandem",
      "service.version": VERSION,
      "lifecycle.version": lifecycleVersion,
      "platform.api": platformApi,
      "os.type": platform,
      "host.arch": ARCHITECTURES[arch] ?? arch,
    },
    scope: { name: "tandem", version: VERSION },
  };
}

interface TelemetryInputs {
  readonly settings: Pick<ExportSettings, "layersDir" | "appDir" | "platformApi" | "tuning">;
  readonly environment: Environment;
  readonly logger: Logger;
  readonly launcherRelease: Promise<{ readonly version: string }>;
}

/**
 * Opens a command's file of telemetry. Telemetry never fails a command: a file that cannot be written is a warning.
 * @returns undefined without `-telemetry`, or if the file cannot be opened
 */
export function openTelemetry(phase: "export" | "create", inputs: TelemetryInputs): Telemetry | undefined {
  const { settings, environment, logger, launcherRelease } = inputs;
  const { layersDir, appDir, platformApi, tuning } = settings;
  if (!tuning.telemetry) return undefined;
  try {
    return new Telemetry(TelemetryFile.open(layersDir, appDir, phase), {
      context: readContext(environment, logger),
      hasNames: tuning.telemetryNames,
      platformApi: formatApiVersion(platformApi),
      lifecycleVersion: launcherRelease.then(({ version }) => version),
    });
  } catch (error) {
    warnTelemetry(logger, messageOf(error));
    return undefined;
  }
}

export function warnTelemetry(logger: Logger, reason: string): void {
  logger.warn(`Failed to write telemetry: ${reason}`);
}

/** An invalid `traceparent` starts a new trace, as the W3C specification requires. */
function readContext(environment: Environment, logger: Logger): TraceContext {
  const given = environment[TRACEPARENT_ENV] ?? "";
  if (given === "") return newTrace();
  const context = parseTraceparent(given);
  if (context === undefined) logger.warn(`Ignoring ${TRACEPARENT_ENV}, which is not a valid traceparent`);
  return context ?? newTrace();
}
