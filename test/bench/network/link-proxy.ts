import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

/*
 * A TCP proxy with the bandwidth and latency of a network link, in a process of its own so that the measuring process
 * does not delay it. `startLinkProxy` starts it and sends its configuration; it ends with its parent.
 */

const ordersSchema = z.object({
  /** `<host>:<port>`; each gets a port of the proxy. */
  targets: z.array(z.string()),
  bytesPerSecond: z.number(),
  roundTripMs: z.number(),
  isShared: z.boolean(),
});

/** Chunks of up to 64 KiB in flight before the sender has to wait. */
const MOST_IN_FLIGHT = 64;

interface Cable {
  readonly up: Shaper;
  readonly down: Shaper;
}

const cables: Cable[] = [];
let halfTripMs = 0;

async function carry(from: Socket, to: Socket, shaper: Shaper): Promise<void> {
  const inFlight: Promise<void>[] = [];
  let last = Promise.resolve();
  // A half-closed side may still receive, and chunks in flight must arrive.
  for await (const chunk of from.iterator({ destroyOnReturn: false })) {
    await shaper.pass(chunk.length);
    const due = performance.now() + halfTripMs;
    const before = last;
    last = (async () => {
      await before;
      await sleepUntil(due);
      await write(to, chunk);
    })();
    last.catch(() => undefined);
    inFlight.push(last);
    if (inFlight.length > MOST_IN_FLIGHT) await inFlight.shift();
  }
  await last;
  to.end();
}

/** Resolves once the chunk is written. */
function write(to: Socket, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => to.write(chunk, (error) => (error ? reject(error) : resolve())));
}

async function join(client: Socket, target: string, { up, down }: Cable): Promise<void> {
  // The handshake of a connection takes a round trip.
  await sleepUntil(performance.now() + 2 * halfTripMs);
  const [host = "", port] = target.split(":");
  const server = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
  const closeBoth = (): void => {
    client.destroy();
    server.destroy();
  };
  server.on("error", closeBoth);
  client.on("error", closeBoth);
  await Promise.all([carry(client, server, up), carry(server, client, down)]).catch(closeBoth);
}

async function listen(target: string, cable: Cable): Promise<number> {
  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on("error", () => client.destroy());
    void join(client, target, cable);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

process.on("message", async (message) => {
  if (message === "count") {
    process.send?.({ bytesUp: cables.map(({ up }) => up.bytes) });
    return;
  }
  const orders = ordersSchema.parse(message);
  halfTripMs = orders.roundTripMs / 2;
  const makeCable = (): Cable => ({ up: new Shaper(orders.bytesPerSecond), down: new Shaper(orders.bytesPerSecond) });
  const ports: number[] = [];
  for (const target of orders.targets) {
    const first = cables[0];
    const cable = orders.isShared && first !== undefined ? first : makeCable();
    if (cable !== first) cables.push(cable);
    ports.push(await listen(target, cable));
  }
  process.send?.({ ports });
});
process.on("disconnect", () => process.exit(0));

/** Idle time that may be caught up, so that late timers do not slow the link down. */
const BURST_MS = 4;

/** One direction of a link: a token bucket that keeps the order of chunks. */
export class Shaper {
  bytes = 0;
  readonly #bytesPerMs: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Resolves once the last byte has left. */
  async pass(bytes: number): Promise<void> {
    this.bytes += bytes;
    this.#freeAt = Math.max(this.#freeAt, performance.now() - BURST_MS) + bytes / this.#bytesPerMs;
    await sleepUntil(this.#freeAt);
  }
}

/** @param time of performance.now() */
export async function sleepUntil(time: number): Promise<void> {
  const wait = time - performance.now();
  if (wait >= 1) await sleep(wait);
}
