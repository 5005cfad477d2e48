import { connect, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { RawServer } from "./raw-server.ts";

export interface SocksOptions {
  /** Required `user:password`; absent: none. */
  readonly login?: string;
  /** Actual addresses by `host:port`. */
  readonly routes: Readonly<Record<string, string>>;
}

async function* reader(socket: Socket): AsyncGenerator<Buffer, void, number> {
  let bytes = Buffer.alloc(0);
  let wanted = yield bytes;
  for (;;) {
    while (bytes.length < wanted) {
      const chunk: unknown = socket.read();
      if (Buffer.isBuffer(chunk)) bytes = Buffer.concat([bytes, chunk]);
      else await new Promise((resolve) => socket.once("readable", resolve));
    }
    const part = bytes.subarray(0, wanted);
    bytes = bytes.subarray(wanted);
    wanted = yield part;
  }
}

/** Sends each byte alone: its reader in this process has received it after two turns of the event loop. */
async function writeSlowly(socket: Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    socket.write(Buffer.of(byte));
    await nextTurn();
    await nextTurn();
  }
}

/** A SOCKS5 proxy (RFC 1928, RFC 1929) that connects to names. It refuses unknown hosts by rule. */
export async function startSocksProxy({ login, routes }: SocksOptions) {
  const passed: string[] = [];
  const serve = async (socket: Socket) => {
    const bytes = reader(socket);
    await bytes.next(0);
    const take = async (count: number) => (await bytes.next(count)).value ?? Buffer.alloc(0);
    const [, methods = 0] = await take(2);
    const offered = await take(methods);
    const method = login === undefined ? 0 : 2;
    if (!offered.includes(method)) return socket.end(Buffer.of(5, 255));
    socket.write(Buffer.of(5, method));
    if (login !== undefined) {
      const user = await take((await take(2))[1] ?? 0);
      const password = await take((await take(1))[0] ?? 0);
      const isRight = `${user}:${password}` === login;
      socket.write(Buffer.of(1, isRight ? 0 : 1));
      if (!isRight) return socket.end();
    }
    const [, , , type] = await take(4);
    const name =
      type === 3 ? String(await take((await take(1))[0] ?? 0)) : [...(await take(type === 1 ? 4 : 16))].join(".");
    const authority = `${name}:${(await take(2)).readUInt16BE()}`;
    const route = routes[authority];
    if (route === undefined) return socket.end(Buffer.of(5, 2, 0, 1, 0, 0, 0, 0, 0, 0));
    passed.push(authority);
    const [host = "", port] = route.split(":");
    const server = connect({ host, port: Number(port) }, async () => {
      // Two kinds of bound address, which clients ignore.
      const address = type === 3 ? Buffer.of(3, 1, 120, 0, 0) : Buffer.of(1, 0, 0, 0, 0, 0, 0);
      await writeSlowly(socket, Buffer.concat([Buffer.of(5, 0, 0), address]));
      server.pipe(socket);
      socket.pipe(server);
    });
    return server.on("error", () => socket.destroy());
  };
  const server = await RawServer.start((socket) => void serve(socket));
  return { server, passed, host: server.host };
}
