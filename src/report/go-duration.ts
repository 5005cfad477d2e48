/**
 * Nanoseconds as Go prints a time.Duration: `1.234567891s`, `532.1ms`, `1m2.5s`, `1h0m0s`
 * (docs/compatibility.md#timers).
 */
export function goDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return `${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1_000_000_000n) return `${decimal(nanoseconds, 6)}ms`;
  const seconds = nanoseconds / 1_000_000_000n;
  const rest = decimal(nanoseconds % 60_000_000_000n, 9);
  if (seconds < 60n) return `${rest}s`;
  const minutes = seconds / 60n;
  return minutes < 60n ? `${minutes}m${rest}s` : `${minutes / 60n}h${minutes % 60n}m${rest}s`;
}

/** `value` with that many of its digits behind the point, zeros at the end cut. */
function decimal(value: bigint, digits: number): string {
  const padded = value.toString().padStart(digits + 1, "0");
  const fraction = padded.slice(-digits).replace(/0+$/, "");
  return fraction === "" ? padded.slice(0, -digits) : `${padded.slice(0, -digits)}.${fraction}`;
}
