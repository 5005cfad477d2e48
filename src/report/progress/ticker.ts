/** The clock and the timers of those who look at an export now and then. */
export interface Ticker {
  /** ms from any start. */
  readonly now: () => number;
  /** Calls `task` every so many ms. @returns ends it */
  every(ms: number, task: () => void): () => void;
}

/** Real time; nothing of it keeps the process alive. */
export const SYSTEM_TICKER: Ticker = {
  now: () => performance.now(),
  every: (ms, task) => {
    const timer = setInterval(task, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
