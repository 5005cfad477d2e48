import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";

/** The network between the exporter and the registries. */
export interface Link {
  /** As on the command line. */
  readonly name: string;
  /** Each way; undefined: plain loopback. */
  readonly bytesPerSecond: number | undefined;
  readonly roundTripMs: number;
  /** Both registries are behind one link instead of one each. */
  readonly isShared: boolean;
}

const ROUND_TRIP_MS = 20;

/**
 * Parses `free` (plain loopback), `22` (22 MB/s to each registry, round trips of 20 ms) or `22-shared` (22 MB/s to
 * both).
 * @throws Error that lists the valid forms
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

export function describeLink({ bytesPerSecond, roundTripMs, isShared }: Link): string {
  if (bytesPerSecond === undefined) return "loopback";
  const scope = isShared ? "one link for both registries" : "one link for each registry";
  return `${bytesPerSecond / 1e6} MB/s, round trips of ${roundTripMs} ms, ${scope}`;
}

const readySchema = z.object({ ports: z.array(z.number()) });
const countSchema = z.object({ bytesUp: z.array(z.number()) });

export interface LinkProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>`, in the order of the targets. */
  readonly hosts: readonly string[];
  /** Bytes toward the targets so far, including HTTP, for each link. */
  bytesUp(): Promise<readonly number[]>;
}

/**
 * Starts a proxy with the rate and delay of a link in front of each target.
 * @param targets `<host>:<port>`
 */
export async function startLinkProxy(
  link: Link & { bytesPerSecond: number },
  targets: readonly string[],
): Promise<LinkProxy> {
  const child = fork(join(import.meta.dirname, "link-proxy.ts"), { execArgv: [] });
  const { bytesPerSecond, roundTripMs, isShared } = link;
  const { ports } = readySchema.parse(await askChild(child, { targets, bytesPerSecond, roundTripMs, isShared }));
  return {
    hosts: ports.map((port) => `127.0.0.1:${port}`),
    bytesUp: async () => countSchema.parse(await askChild(child, "count")).bytesUp,
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

/** Sends a message to a forked server and waits for its response. */
export async function askChild(child: ChildProcess, message: string | object): Promise<unknown> {
  const response = once(child, "message");
  child.send(message);
  const [value] = await response;
  return value;
}

/** Marks the process that runs inside the network namespace. */
const INSIDE = "TANDEM_BENCH_NETWORK";

/**
 * Kernel buffer for a connection at each end, in bytes: some round trips of the links' 0.4 MB. By default, Linux lets a
 * receiver on loopback grow to 32 MB. A proxy's slow link would look fast until that is full; a real link queues far
 * less.
 */
const BUFFER_BYTES = 256 << 10;

const SCRIPT = `ip link set lo up && echo "4096 131072 ${BUFFER_BYTES}" > /proc/sys/net/ipv4/tcp_rmem &&
echo "4096 16384 ${BUFFER_BYTES}" > /proc/sys/net/ipv4/tcp_wmem && exec "$@"`;

/** Limit of the network namespace that this process runs in; undefined in the machine's own. */
export function bufferBytes(): number | undefined {
  return process.env[INSIDE] === undefined ? undefined : BUFFER_BYTES;
}

/**
 * Runs this program again, with the same arguments, in a network namespace with small kernel buffers. Needs root and
 * Linux.
 * @returns whether it ran; false in the inner process
 * @throws Error if the inner process failed
 */
export function runInOwnNetwork(): boolean {
  if (process.env[INSIDE] !== undefined) return false;
  const env = { ...process.env, [INSIDE]: "1" };
  const inside = (command: string, ...args: readonly string[]) =>
    spawnSync("unshare", ["--net", "sh", "-c", SCRIPT, "sh", command, ...args], { env, stdio: "inherit" });
  if (inside("true").status !== 0) return false;
  const { status } = inside(process.execPath, ...process.execArgv, ...process.argv.slice(1));
  if (status !== 0) throw new Error(`the part in a network namespace ended with ${status}`);
  return true;
}
