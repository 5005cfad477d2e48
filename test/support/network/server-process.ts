import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { listeningSockets } from "../process/process-state.ts";

const POLL_INTERVAL_MS = 10;

export interface ServerCommand {
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export class ServerProcess implements AsyncDisposable {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /**
   * @param address where it will listen: a port of the loopback address, or the path of a socket
   * @throws Error with the end of its output if it exits instead of listening
   */
  static async start(
    { path, args, env = process.env }: ServerCommand,
    address: number | string,
  ): Promise<ServerProcess> {
    const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe"], env });
    const lines: string[] = [];
    // Read to the end, because full pipes would block the server.
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on("line", (line) => {
        lines.push(line);
        if (lines.length > 8) lines.shift();
      });
    const ended = Promise.withResolvers<never>();
    child.once("error", ended.reject);
    child.once("close", () => ended.reject(new Error(`${path} ended:\n${lines.join("\n")}`)));
    const looking = new AbortController();
    try {
      await Promise.race([ended.promise, untilListening(child.pid, address, looking.signal)]);
    } finally {
      looking.abort();
      // From here on it may exit.
      ended.promise.catch(() => undefined);
    }
    return new ServerProcess(child);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.kill()) await once(this.#process, "exit");
  }
}

async function untilListening(pid: number | undefined, address: number | string, signal: AbortSignal): Promise<void> {
  const listens = () => (typeof address === "number" ? hasPort(pid, address) : accepts(address));
  while (!signal.aborted && !(await listens())) await setTimeout(POLL_INTERVAL_MS);
}

/** Checks the process itself: another program may have taken the port meanwhile. */
function hasPort(pid: number | undefined, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  try {
    return pid !== undefined && listeningSockets(pid).some((socket) => socket.endsWith(suffix));
  } catch {
    // It has ended.
    return false;
  }
}

async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Retries, because another program may take a port before the server listens there. */
const MAX_PORTS = 5;

/** Starts a server on a free port of the loopback address, and tries another one if a program was faster. */
export async function onFreePort<Server>(start: (port: number) => Promise<Server>): Promise<Server> {
  for (let ports = 1; ; ports++)
    try {
      return await start(await freePort());
    } catch (error) {
      if (ports === MAX_PORTS || !String(error).includes("address already in use")) throw error;
    }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** False for a zombie, too. */
export function isRunning(pid: number): boolean {
  try {
    // A process that has ended, but was not waited for, is in state Z.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
