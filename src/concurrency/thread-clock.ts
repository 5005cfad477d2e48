/** ms from a start that all threads of the process share; `performance.now()` has one of its own in each. */
export function threadClock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
