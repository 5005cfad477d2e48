import type { Logger } from "../logger.ts";

const MAX_LINES = 200;

/**
 * Holds lines until `release`, so that they do not mix with the build's. They come out at the debug level: a failed
 * early step is repeated, and the export then warns.
 */
export class BufferedLogger implements Logger {
  #lines: string[] = [];
  #target: Logger | undefined;

  debug(message: string): void {
    this.#add("debug", message);
  }

  info(message: string): void {
    this.#add("info", message);
  }

  warn(message: string): void {
    this.#add("warn", message);
  }

  error(message: string): void {
    this.#add("error", message);
  }

  release(target: Logger): void {
    this.#target = target;
    for (const line of this.#lines.splice(0)) target.debug(line);
  }

  #add(level: keyof Logger, message: string): void {
    if (this.#target !== undefined) this.#target[level](message);
    else if (this.#lines.length < MAX_LINES) this.#lines.push(message);
  }
}
