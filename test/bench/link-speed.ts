/** A link between the exporter and the registries. */
export interface Link {
  /** As on the command line. */
  readonly name: string;
  /** Each way; undefined: loopback as it is. */
  readonly bytesPerSecond: number | undefined;
  readonly roundTripMs: number;
  /** One link for both registries, rather than one for each. */
  readonly isShared: boolean;
}

const ROUND_TRIP_MS = 20;

/**
 * `free` for loopback as it is, or MB/s with round trips of 20 ms: `22` is a link for each registry, `22-shared` one for both.
 * @throws Error that says what is allowed
 */
export function parseLink(name: string): Link {
  if (name === "free") return { name, bytesPerSecond: undefined, roundTripMs: 0, isShared: false };
  const [, megabytes, shared] = /^(\d+(?:\.\d+)?)(-shared)?$/.exec(name) ?? [];
  if (megabytes === undefined) throw new Error(`a link is free, <MB/s> or <MB/s>-shared, not ${name}`);
  return {
    name,
    bytesPerSecond: Number(megabytes) * 1e6,
    roundTripMs: ROUND_TRIP_MS,
    isShared: shared !== undefined,
  };
}

/** For people. */
export function describeLink({ bytesPerSecond, roundTripMs, isShared }: Link): string {
  if (bytesPerSecond === undefined) return "loopback";
  const whose = isShared ? "one link for both registries" : "one link for each registry";
  return `${bytesPerSecond / 1e6} MB/s, round trips of ${roundTripMs} ms, ${whose}`;
}
