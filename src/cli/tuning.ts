import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault } from "../errors/fault.ts";
import { parseGoDuration } from "../go/duration.ts";
import type { Logger } from "../logger.ts";
import { parseEventTarget } from "../observe/event-writer.ts";
import type { Tuning } from "../plan/inputs.ts";
import type { RunCommand } from "./command-line.ts";
import type { FlagValues } from "./flags.ts";
import { boundWorkers, fittingWorkers, MAX_WORKERS } from "./machine.ts";
import { absolutePath } from "./settings.ts";

/**
 * The flags of our own, checked (README.md).
 * @param cwd absolute, or "" when it was deleted; relative paths are resolved against it
 * @throws Fault with exit code 3 that names flag, variable and what is allowed
 */
export function parseTuning({ flags, machine }: RunCommand, cwd: string, logger: Logger): Tuning {
  return {
    workers: boundWorkers(within("workers", flags.int("workers"), 1, MAX_WORKERS), machine, logger),
    fittingWorkers: fittingWorkers(machine.memory),
    uploadConcurrency: within("upload-concurrency", flags.int("upload-concurrency"), 1),
    compression: oneOf("compression", flags.string("compression"), ["gzip", "zstd"]),
    compressionLevel: within("compression-level", flags.int("compression-level"), 1, 9),
    retryBudgetMs: duration("retry-budget", flags.string("retry-budget")),
    spoolDir: absolutePath(cwd, flags.string("spool-dir")),
    events: parseEventTarget(flags.string("events"), cwd),
    progress: oneOf("progress", flags.string("progress"), ["auto", "tty", "plain", "none"]),
    timeline: parseTimeline(cwd, flags.string("timeline")),
    logFormat: parseLogFormat(flags),
  };
}

/**
 * `-log-format`, which is needed before the rest to make the logger.
 * @throws Fault with exit code 3
 */
export function parseLogFormat(flags: FlagValues): Tuning["logFormat"] {
  return oneOf("log-format", flags.string("log-format"), ["text", "json"]);
}

function parseTimeline(cwd: string, path: string): string {
  if (path === "") return "";
  if (!/\.(html|json)$/.test(path)) throw tuningFault("timeline", "a file whose name ends in .html or .json");
  return absolutePath(cwd, path);
}

function within(name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw tuningFault(name, `a whole number ${range}`);
}

/** @returns ms */
function duration(name: string, value: string): number {
  const ms = parseGoDuration(value);
  if (ms === undefined) throw tuningFault(name, "a duration such as 90s, 5m or 1h30m");
  return ms;
}

function oneOf<Word extends string>(name: string, value: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) throw tuningFault(name, `one of ${words.join(", ")}`);
  return found;
}

/** The value is not repeated: an int from the environment that is no number has become 0 by now. */
function tuningFault(name: string, expected: string): Fault {
  const variable = `CNB_EXPORT_${name.toUpperCase().replaceAll("-", "_")}`;
  return new Fault("EXPORT_ARGS_TUNING", `-${name} (${variable}) must be ${expected}`, {
    exitCode: EXIT_CODES.invalidArgs,
  });
}
