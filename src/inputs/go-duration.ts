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

/** A duration as Go's time.ParseDuration reads it, but never negative: `90s`, `1m30s`, `1.5h`, `0`; ms, undefined for others. */
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
