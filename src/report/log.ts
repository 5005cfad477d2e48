import { type DestinationStream, type Logger as Pino, pino } from "pino";
import { printable, printableMessage } from "../errors/printable.ts";
import { withoutSecrets } from "../errors/secrets.ts";
import type { Logger } from "../logger.ts";
import type { LineSink } from "./output.ts";

type LineLevel = "debug" | "info" | "warn" | "error";

const PREFIXES: Readonly<Partial<Record<LineLevel, { readonly text: string; readonly color: string }>>> = {
  warn: { text: "Warning: ", color: "33;1" },
  error: { text: "ERROR: ", color: "31;1" },
};

/**
 * A log line as the reference prints it (docs/compatibility.md#log-lines). A line feed is added unless the message ends
 * with one.
 */
function textLine(level: LineLevel, message: string, isColored: boolean): string {
  const prefix = PREFIXES[level];
  const line = message.endsWith("\n") ? message : `${message}\n`;
  if (prefix === undefined) return line;
  return isColored ? `\u001b[${prefix.color}m${prefix.text}\u001b[0m${line}` : `${prefix.text}${line}`;
}

function phaseHeader(name: string, isColored: boolean): string {
  const header = `===> ${name}`;
  return isColored ? `\u001b[36m${header}\u001b[0m` : header;
}

export interface LogSettings {
  readonly level: LineLevel | "fatal";
  readonly isColored: boolean;
  readonly format: "text" | "json";
}

/** Until its flags are read the reference logs everything, in color (docs/compatibility.md#log-lines). */
const BEFORE_FLAGS: LogSettings = { level: "debug", isColored: true, format: "text" };

/**
 * pino with the reference's lines for people. Escapes what a terminal would interpret; messages of debug and info are
 * one line, and those of warn and error may have hints on further lines. Warnings and errors go to the second sink, all
 * else to the first (docs/compatibility.md#warnings-and-errors-on-stderr). Lines are written whole, so that concurrent
 * ones never mix.
 */
export class Log implements Logger {
  readonly #pino: Pino;
  readonly #stream: LogStream;

  constructor(out: LineSink, err: LineSink) {
    this.#stream = new LogStream(out, err);
    this.#pino = pino({ level: BEFORE_FLAGS.level, base: null }, this.#stream);
  }

  configure(settings: LogSettings): void {
    this.#stream.settings = settings;
    this.#pino.level = settings.level;
  }

  debug(message: string): void {
    this.#pino.debug(this.#stream.prepare(printableMessage(message)));
  }

  info(message: string): void {
    this.#pino.info(this.#stream.prepare(printableMessage(message)));
  }

  warn(message: string): void {
    this.#pino.warn(this.#stream.prepare(printable(message)));
  }

  error(message: string): void {
    this.#pino.error(this.#stream.prepare(printable(message)));
  }

  phase(name: string): void {
    const { format, isColored } = this.#stream.settings;
    this.#pino.info(phaseHeader(name, format === "text" && isColored));
  }
}

const METADATA = Symbol.for("pino.metadata");

class LogStream implements DestinationStream {
  readonly [METADATA] = true;
  lastLevel = 0;
  lastMsg = "";
  settings = BEFORE_FLAGS;
  readonly #out: LineSink;
  readonly #err: LineSink;

  constructor(out: LineSink, err: LineSink) {
    this.#out = out;
    this.#err = err;
  }

  /** Redacts secrets. Strips empty lines around a message, which are for people only, from JSON. */
  prepare(message: string): string {
    const shown = withoutSecrets(message);
    return this.settings.format === "json" ? shown.trim() : shown;
  }

  write(json: string): void {
    const level = levelOf(this.lastLevel);
    const { format, isColored } = this.settings;
    const line = format === "json" ? json : textLine(level, this.lastMsg, isColored);
    (level === "warn" || level === "error" ? this.#err : this.#out).write(line);
  }
}

function levelOf(level: number): LineLevel {
  if (level >= 50) return "error";
  if (level >= 40) return "warn";
  return level >= 30 ? "info" : "debug";
}
