import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";

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

const readySchema = z.object({ ports: z.array(z.number()) });
const countSchema = z.object({ bytesUp: z.array(z.number()) });

/** A running proxy. */
export interface LinkProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>`, in the order of the targets. */
  readonly hosts: readonly string[];
  /** Bytes that went towards the targets until now, HTTP included, on each link: one for each target or one for all. */
  bytesUp(): Promise<readonly number[]>;
}

/**
 * Starts a proxy with the rate and delay of a link before each target.
 * @param targets `<host>:<port>` each
 */
export async function startLinkProxy(
  link: Link & { bytesPerSecond: number },
  targets: readonly string[],
): Promise<LinkProxy> {
  const child = fork(join(import.meta.dirname, "link-proxy.ts"), { execArgv: [] });
  const { bytesPerSecond, roundTripMs, isShared } = link;
  const { ports } = readySchema.parse(await ask(child, { targets, bytesPerSecond, roundTripMs, isShared }));
  return {
    hosts: ports.map((port) => `127.0.0.1:${port}`),
    bytesUp: async () => countSchema.parse(await ask(child, "count")).bytesUp,
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

async function ask(child: ChildProcess, message: string | object): Promise<unknown> {
  const answer = once(child, "message");
  child.send(message);
  const [value] = await answer;
  return value;
}

/** Tells the child that it is the one. */
const INSIDE = "TANDEM_BENCH_NETWORK";

/**
 * What the kernel may buffer for a connection at each end, in bytes: some round trips of the links' 0.4 MB. Left alone, Linux
 * lets a receiver on loopback have up to 32 MB, so that a proxy's slow link looks like a fast one for as long as that takes to
 * fill; what queues before a real link is far less.
 */
const BUFFER_BYTES = 256 << 10;

const SCRIPT = `ip link set lo up && echo "4096 131072 ${BUFFER_BYTES}" > /proc/sys/net/ipv4/tcp_rmem &&
echo "4096 16384 ${BUFFER_BYTES}" > /proc/sys/net/ipv4/tcp_wmem && exec "$@"`;

/** Of the network that this process is in; undefined: this machine's, with buffers as large as that lets them grow. */
export function bufferBytes(): number | undefined {
  return process.env[INSIDE] === undefined ? undefined : BUFFER_BYTES;
}

/**
 * Runs this program again, with the same arguments, in a network namespace of its own, where the kernel buffers little. That
 * needs root and Linux.
 * @returns whether it did; false, too, in the inner one
 * @throws Error when it failed
 */
export function runInOwnNetwork(): boolean {
  if (process.env[INSIDE] !== undefined) return false;
  const env = { ...process.env, [INSIDE]: "1" };
  const inside = (command: string, ...args: readonly string[]) =>
    spawnSync("unshare", ["--net", "sh", "-c", SCRIPT, "sh", command, ...args], { env, stdio: "inherit" });
  if (inside("true").status !== 0) return false;
  const { status } = inside(process.execPath, ...process.execArgv, ...process.argv.slice(1));
  if (status !== 0) throw new Error(`the part in a network of its own ended with ${status}`);
  return true;
}
