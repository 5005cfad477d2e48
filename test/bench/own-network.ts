import { spawnSync } from "node:child_process";

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
