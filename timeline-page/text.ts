import { durationText } from "../src/report/quantities.ts";

/** A time or a duration, as fine as it is short: `12.3 ms`, `4.21 s`, `2m05s`. */
export function timeText(ms: number): string {
  if (ms < 1) return `${ms.toFixed(3)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : durationText(ms);
}

/** When something was. */
export function rangeText(startMs: number, endMs: number): string {
  return `${timeText(endMs - startMs)}, from ${timeText(startMs)} to ${timeText(endMs)}`;
}
