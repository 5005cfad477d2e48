import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { join } from "node:path";
import type { Stream } from "node:stream";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { tempTree } from "../files/temp-tree.ts";

/** Fills a pipe before a program writes. */
const FILLING = `${"#".repeat(4095)}\n`;

/** A full pipe or socket, as if its reader had stopped reading. */
export interface Unread {
  readonly writer: number | Stream;
  /** Closes this process's writer and reads to the end, which comes when the program has closed its own. */
  read(): Promise<string>;
}

export function makeFifo(name = "fifo"): string {
  const path = join(tempTree(), name);
  execFileSync("mkfifo", [path]);
  return path;
}

/** @param isFull false if the test fills it later */
export function unreadPipe(path = makeFifo(), isFull = true): Unread {
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  // Blocks for a program that inherits it, as pipes do.
  const writer = openSync(path, constants.O_WRONLY);
  if (isFull) fill(path);
  let isRead = false;
  const read = async () => {
    isRead = true;
    closeSync(writer);
    return withoutFilling(await text(new Socket({ fd: reader, readable: true, writable: false })));
  };
  onTestFinished(() => {
    if (!isRead) for (const end of [reader, writer]) closeSync(end);
  });
  return { writer, read };
}

export function fill(path: string): void {
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(filler, FILLING);
  } catch {
    // EAGAIN: it is full.
  } finally {
    closeSync(filler);
  }
}

/** A connected socket with full buffers, like the pipes of Node's child processes. */
export async function unreadSocket(): Promise<Unread> {
  const path = join(tempTree(), "socket");
  const server = createServer({ pauseOnConnect: true });
  server.listen(path);
  await once(server, "listening");
  const writer = connect(path);
  const [[reader]] = await Promise.all([once(server, "connection"), once(writer, "connect")]);
  if (!(reader instanceof Socket)) throw new Error("no connection");
  server.close();
  onTestFinished(() => {
    reader.destroy();
    writer.destroy();
  });
  // The rest stays in this process.
  while (writer.write(FILLING));
  const read = async () => {
    writer.destroy();
    return withoutFilling(await text(reader));
  };
  return { writer, read };
}

export function brokenPipe(): number {
  const path = makeFifo();
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  closeSync(reader);
  onTestFinished(() => closeSync(writer));
  return writer;
}

function withoutFilling(all: string): string {
  return all.replaceAll(FILLING, "").replace(/^[#\n]+/, "");
}
