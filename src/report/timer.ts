import { goDuration } from "../go/duration.ts";
import { goUnixTime } from "../go/time.ts";
import type { Logger } from "../logger.ts";

export interface LogClock {
  monotonic(): bigint;
  now(): number;
}

const SYSTEM_LOG_CLOCK: LogClock = { monotonic: () => process.hrtime.bigint(), now: () => Date.now() };

/**
 * Logs the start, and later the end with the duration (docs/compatibility.md#timers). The reference also logs the end
 * after a failure, so call the returned function in a `finally`.
 * @param what `Exporter`, `Cache` or `Saving <name>...`
 */
export function startTimer(what: string, logger: Logger, clock: LogClock = SYSTEM_LOG_CLOCK): () => void {
  const started = clock.monotonic();
  logger.debug(`Timer: ${what} started at ${localTime(clock)}`);
  return () => {
    const duration = goDuration(clock.monotonic() - started);
    logger.debug(`Timer: ${what} ran for ${duration} and ended at ${localTime(clock)}`);
  };
}

export async function timed<T>(what: string, logger: Logger, task: () => Promise<T>): Promise<T> {
  const end = startTimer(what, logger);
  try {
    return await task();
  } finally {
    end();
  }
}

function localTime(clock: LogClock): string {
  return goUnixTime(BigInt(Math.floor(clock.now() / 1000)));
}
