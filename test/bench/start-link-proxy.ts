import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";
import type { Link } from "./link-speed.ts";

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
