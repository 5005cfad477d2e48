/**
 * The wait a Retry-After header asks for, in ms and never negative: seconds or a date (RFC 9110 section 10.2.3);
 * undefined for anything else.
 * @param nowMs the time since the epoch in ms
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  // An HTTP date begins with the day's name; Date.parse alone would take "-1" or "5.5" for a date.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
