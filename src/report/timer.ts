import { goDuration } from "../go/duration.ts";
import { goUnixTime } from "../go/time.ts";
import type { Logger } from "../logger.ts";

/** The clocks that a timer reads. */
export interface Clock {
  /** Nanoseconds from any start; never goes back. */
  monotonic(): bigint;
  /** Milliseconds since 1970. */
  now(): number;
}

const SYSTEM_CLOCK: Clock = { monotonic: () => process.hrtime.bigint(), now: () => Date.now() };

/**
 * Logs the start, and later the end with the duration (docs/compatibility.md#timers). The reference logs the end also
 * after a failure, so call the returned function in a `finally`.
 * @param what `Exporter`, `Cache` or `Saving <name>...`
 * @returns logs the end
 */
export function startTimer(what: string, logger: Logger, clock: Clock = SYSTEM_CLOCK): () => void {
  const started = clock.monotonic();
  logger.debug(`Timer: ${what} started at ${localTime(clock)}`);
  return () => {
    const duration = goDuration(clock.monotonic() - started);
    logger.debug(`Timer: ${what} ran for ${duration} and ended at ${localTime(clock)}`);
  };
}

/** Logs start and end of a task, as {@link startTimer} does. */
export async function timed<T>(what: string, logger: Logger, task: () => Promise<T>): Promise<T> {
  const end = startTimer(what, logger);
  try {
    return await task();
  } finally {
    end();
  }
}

/** RFC 3339 in the process's time zone, to the second. */
function localTime(clock: Clock): string {
  return goUnixTime(BigInt(Math.floor(clock.now() / 1000)));
}
