import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { startLinkProxy } from "../../bench/network/links.ts";
import { seededRandom } from "../../support/random.ts";

const LINK = { name: "test", bytesPerSecond: 50e6, roundTripMs: 2, isShared: false };

/** Echoes everything that a client sends, then closes. */
async function startEcho(): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => socket.end(Buffer.concat(chunks)));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function exchange(host: string, said: Uint8Array): Promise<Buffer> {
  const [name = "", port] = host.split(":");
  const socket = connect({ host: name, port: Number(port), allowHalfOpen: true });
  socket.end(said);
  return await buffer(socket);
}

test.each([false, true])(
  "bytes arrive unchanged, after the other side hung up too, and are counted (shared: %s)",
  async (isShared) => {
    const targets = [await startEcho(), await startEcho()];
    await using proxy = await startLinkProxy({ ...LINK, isShared }, targets);
    const said = seededRandom(7).bytes(500_000);
    const answers = await Promise.all(proxy.hosts.map((host) => exchange(host, said)));
    expect(answers.map((answer) => answer.equals(said))).toEqual([true, true]);
    expect(await proxy.bytesUp()).toEqual(isShared ? [1_000_000] : [500_000, 500_000]);
  },
);

test("the proxy never exceeds the link's rate", async () => {
  await using proxy = await startLinkProxy({ ...LINK, bytesPerSecond: 2e6 }, [await startEcho()]);
  const started = performance.now();
  await exchange(proxy.hosts[0] ?? "", new Uint8Array(200_000));
  // 100 ms each way, less the burst of some ms.
  expect(performance.now() - started).toBeGreaterThan(180);
});

test("the connection to an unreachable registry is closed", async () => {
  await using proxy = await startLinkProxy(LINK, ["127.0.0.1:1"]);
  await expect(exchange(proxy.hosts[0] ?? "", new Uint8Array(10))).resolves.toHaveLength(0);
});
