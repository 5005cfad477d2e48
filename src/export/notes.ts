import type { Logger } from "../logger.ts";

/** The outcome of work that was done before its turn in the reference's order. */
export interface Noted<T> {
  /** False if the work failed. */
  readonly isDone: boolean;
  /** @throws the failure of the work */
  result(): T;
  /** Prints what the work has logged, then returns its result. @throws the failure of the work */
  tell(logger: Logger): T;
}

/**
 * Does work before its turn and keeps its log lines: a line must not appear if something fails that the reference does
 * earlier. Never rejects; the outcome holds the failure.
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
  const tell = (target: Logger): T => {
    for (const { level, message } of notes) target[level](message);
    return result();
  };
  return { isDone: outcome.status === "fulfilled", result, tell };
}
