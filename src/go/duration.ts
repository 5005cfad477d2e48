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

function decimal(value: bigint, digits: number): string {
  const padded = value.toString().padStart(digits + 1, "0");
  const fraction = padded.slice(-digits).replace(/0+$/, "");
  return fraction === "" ? padded.slice(0, -digits) : `${padded.slice(0, -digits)}.${fraction}`;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/**
 * Like Go's time.ParseDuration, but never negative: `90s`, `1m30s`, `1.5h`, `0`.
 * @returns ms; undefined for others
 */
export function parseGoDuration(text: string): number | undefined {
  const rest = text.replace(/^\+/, "");
  if (rest === "0") return 0;
  let ms = 0;
  let at = 0;
  while (at < rest.length) {
    PART.lastIndex = at;
    const [whole, number, unit = ""] = PART.exec(rest) ?? [];
    if (whole === undefined) return undefined;
    ms += Number(number) * (UNIT_MS[unit] ?? 0);
    at += whole.length;
  }
  return at === 0 ? undefined : ms;
}
