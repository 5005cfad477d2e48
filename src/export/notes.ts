import type { Logger } from "../logger.ts";

export interface Noted<T> {
  readonly isDone: boolean;
  result(): T;
  /** As {@link result}, after printing the log lines. */
  replay(logger: Logger): T;
}

/**
 * Does work before its turn in the reference's order and keeps its log lines: they must not appear if an earlier step
 * of the reference fails. Never rejects; the outcome holds the failure.
 */
export async function noted<T>(work: (logger: Logger) => Promise<T>): Promise<Noted<T>> {
  const notes: { readonly level: keyof Logger; readonly message: string }[] = [];
  const note = (level: keyof Logger) => (message: string) => void notes.push({ level, message });
  const logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };
  const [outcome] = await Promise.allSettled([work(logger)]);
  const result = (): T => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  };
  const replay = (target: Logger): T => {
    for (const { level, message } of notes) target[level](message);
    return result();
  };
  return { isDone: outcome.status === "fulfilled", result, replay };
}
