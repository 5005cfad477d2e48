import type { Logger } from "../logger.ts";

const MOST_LINES = 200;

/**
 * Keeps lines while the build's own are printed. They come out at the debug level: what went wrong early is done again,
 * and then it is the export that warns.
 */
export class HeldLines implements Logger {
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

  /** Prints the lines, and passes on those that follow. */
  release(target: Logger): void {
    this.#target = target;
    for (const line of this.#lines.splice(0)) target.debug(line);
  }

  #add(level: keyof Logger, message: string): void {
    if (this.#target !== undefined) this.#target[level](message);
    else if (this.#lines.length < MOST_LINES) this.#lines.push(message);
  }
}
