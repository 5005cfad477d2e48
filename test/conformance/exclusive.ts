import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";

/** A name that exists in the kernel only, and ends with whoever has it. */
const SOCKET = "\0tandem-case";

/**
 * Waits until no other process of this machine plays a case: all of them need the same directory.
 * @returns what ends the turn
 */
export async function takeTurn(): Promise<AsyncDisposable> {
  for (;;) {
    const server = await listen();
    if (server !== undefined) return { [Symbol.asyncDispose]: () => end(server) };
    await turnOfAnother();
  }
}

/** Undefined when another process has its turn. */
async function listen(): Promise<Server | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Server | undefined>();
  const server = createServer();
  server.once("listening", () => resolve(server));
  server.once("error", (error) => {
    if ("code" in error && error.code === "EADDRINUSE") resolve(undefined);
    else reject(error);
  });
  server.on("connection", (socket) => {
    server.once("ending", () => socket.destroy());
    // A waiting process may be stopped.
    socket.on("error", () => undefined);
  });
  server.listen(SOCKET);
  return await promise;
}

/** Ends when the other's does, by whatever means. */
async function turnOfAnother(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(SOCKET).resume();
  // A reset is an end too, and so is a refusal.
  socket.on("error", () => undefined).once("close", () => resolve());
  await promise;
}

async function end(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.emit("ending");
  server.close();
  await closed;
}
