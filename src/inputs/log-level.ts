import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault } from "../faults/fault.ts";
import type { LogLevel } from "./export-inputs.ts";

const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["fatal", "fatal"],
]);

/**
 * The level of `-log-level`, in any case (docs/compatibility.md#flags).
 * @throws Fault with exit code 1 for any other word (step 4 of docs/compatibility.md#order-of-operations)
 */
export function parseLogLevel(text: string): LogLevel {
  const level = LEVELS.get(text.toLowerCase());
  if (level !== undefined) return level;
  throw new Fault("EXPORT_ARGS_LOG_LEVEL", "failed to parse log level: invalid level", {
    exitCode: EXIT_CODES.failed,
    hint: `-log-level is '${text}'; it must be one of ${[...LEVELS.keys()].join(", ")}.`,
  });
}
