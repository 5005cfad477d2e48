import type { Logger } from "../logger.ts";

type Level = keyof Logger;

/**
 * Keeps log lines until it is known whether they may be printed. Work that the reference does one after the other runs
 * side by side here; a line of the later part must not appear if the earlier part fails.
 */
export class HeldLogger implements Logger {
  readonly #target: Logger;
  #held: { readonly level: Level; readonly message: string }[] | undefined = [];

  constructor(target: Logger) {
    this.#target = target;
  }

  /** Prints what was held, in order; later lines are printed at once. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { level, message } of held) this.#target[level](message);
  }

  debug(message: string): void {
    this.#log("debug", message);
  }

  info(message: string): void {
    this.#log("info", message);
  }

  warn(message: string): void {
    this.#log("warn", message);
  }

  error(message: string): void {
    this.#log("error", message);
  }

  #log(level: Level, message: string): void {
    if (this.#held === undefined) this.#target[level](message);
    else this.#held.push({ level, message });
  }
}
