import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { Connections, exchangeOver } from "../../../src/http/transport.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { WAIT } from "../../support/runner/time-limits.ts";

const REQUEST = { method: "GET", path: "/", headers: {}, headersTimeoutMs: 0, bodyTimeoutMs: 0 };

/** @param mayOpen resolves when connections may be given to the pool */
async function pool(
  mayOpen: Promise<void> = Promise.resolve(),
  limit?: number,
  idleMs: number = Number.POSITIVE_INFINITY,
) {
  const accepted: Socket[] = [];
  const server = await RawServer.start((socket) => {
    accepted.push(socket);
    socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata"));
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const opened: Socket[] = [];
  const open = async () => {
    const socket = connect(Number(new URL(`http://${server.host}`).port));
    await once(socket, "connect");
    opened.push(socket);
    await mayOpen;
    return socket;
  };
  const connections = new Connections(open, idleMs, limit);
  onTestFinished(() => connections.destroy());
  const get = async () => await text((await exchangeOver(connections, REQUEST)).body);
  return { accepted, opened, connections, get };
}

/** A pool with one connection, which has had no request. */
async function unusedConnection(idleMs?: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { connections, opened, ...others } = await pool(promise, undefined, idleMs);
  const stop = new AbortController();
  const stopped = exchangeOver(connections, { ...REQUEST, signal: stop.signal });
  await expect.poll(() => others.accepted.length + opened.length, WAIT).toBe(2);
  stop.abort(new Error("not needed"));
  await expect(stopped).rejects.toThrow("not needed");
  resolve();
  return { connections, opened, ...others };
}

test("a connection that is reset before its first request is not used", async () => {
  const { accepted, opened, get } = await unusedConnection();
  const closed = new Promise((resolve) => opened[0]?.once("close", resolve));
  accepted[0]?.resetAndDestroy();
  await closed;
  expect(await get()).toBe("data");
  expect(await get()).toBe("data");
  expect(opened).toHaveLength(2);
});

test("a connection without a request is closed with the others", async () => {
  const { connections, opened } = await unusedConnection();
  const closed = opened.map((socket) => once(socket, "close"));
  await connections.destroy();
  await Promise.all(closed);
});

test("a connection without a request is closed after the keep-alive limit, and not used", async () => {
  const { opened, get } = await unusedConnection(50);
  await expect.poll(() => opened[0]?.closed, WAIT).toBe(true);
  expect(await get()).toBe("data");
  expect(opened).toHaveLength(2);
});

test("a request takes a connection that is open, not an older one that was closed", async () => {
  const { promise: bothOpened, resolve } = Promise.withResolvers<void>();
  const { accepted, opened, get } = await pool(bothOpened);
  const responses = Promise.all([get(), get()]);
  await expect.poll(() => opened.length, WAIT).toBe(2);
  resolve();
  await responses;
  const [oldest] = accepted;
  await Promise.all([oldest && once(oldest, "close"), oldest?.end()]);
  expect(await get()).toBe("data");
  expect(opened).toHaveLength(2);
});

test("requests wait for one of as many connections as allowed", async () => {
  const { promise: bothOpened, resolve } = Promise.withResolvers<void>();
  const { opened, get } = await pool(bothOpened, 2);
  const responses = Promise.all([get(), get(), get(), get()]);
  await expect.poll(() => opened.length, WAIT).toBe(2);
  resolve();
  expect(await responses).toEqual(["data", "data", "data", "data"]);
  expect(opened).toHaveLength(2);
});

test("a request waits for another connection when the only one is reset", async () => {
  const { accepted, opened, connections, get } = await pool(undefined, 1);
  expect(await get()).toBe("data");
  accepted[0]?.removeAllListeners("data").once("data", () => accepted[0]?.resetAndDestroy());
  const lost = exchangeOver(connections, { ...REQUEST, method: "POST" });
  const waiting = get();
  await expect(lost).rejects.toThrow("ECONNRESET");
  expect(await waiting).toBe("data");
  expect(opened).toHaveLength(2);
});

test("a request is sent over a new connection, which is kept, when its own is closed before", async () => {
  const { accepted, opened, connections, get } = await pool();
  expect(await get()).toBe("data");
  const posted = exchangeOver(connections, { ...REQUEST, method: "POST" });
  // undici looks once more for the end of an idle connection before it sends a request.
  setImmediate(() => accepted[0]?.destroy());
  expect(await text((await posted).body)).toBe("data");
  expect(await get()).toBe("data");
  expect(opened).toHaveLength(2);
});

test("a request that cannot be sent leaves its connection to the next", async () => {
  const { connections, get } = await pool(undefined, 1);
  await expect(exchangeOver(connections, { ...REQUEST, headers: { name: "line\nbreak" } })).rejects.toThrow("header");
  expect(await get()).toBe("data");
});

test("requests fail that wait when the pool is closed, or come later", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { connections, opened, get } = await pool(promise, 1);
  const waiting = [get(), get()];
  await expect.poll(() => opened.length, WAIT).toBe(1);
  await connections.destroy();
  for (const result of await Promise.allSettled([...waiting, get()])) expect(result.status).toBe("rejected");
  resolve();
  await Promise.all(opened.map((socket) => once(socket, "close")));
});
