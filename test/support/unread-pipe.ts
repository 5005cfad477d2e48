import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import { join } from "node:path";
import type { Stream } from "node:stream";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { tempTree } from "./temp-tree.ts";

/** Lines that stand in a pipe before those of a program. */
const FILLING = `${"#".repeat(4095)}\n`;

/** A full pipe or socket, as of a reader that does not read. */
export interface Unread {
  /** The end for a program to write to. */
  readonly writer: number | Stream;
  /** Closes this process's writer and reads to the end, which comes when the program has closed its own. */
  read(): Promise<string>;
}

/** A FIFO below a temporary directory. */
export function makeFifo(name = "fifo"): string {
  const path = join(tempTree(), name);
  execFileSync("mkfifo", [path]);
  return path;
}

/** A pipe, full from the beginning unless it is filled later. */
export function unreadPipe(path = makeFifo(), isFull = true): Unread {
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  // Blocks for a program that gets it, as pipes do.
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

/** Writes to a FIFO until it is full. */
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

/** A connected socket whose buffers are full, such as the pipes of Node's child processes. */
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
  // What is left over stays in this process.
  while (writer.write(FILLING));
  const read = async () => {
    writer.destroy();
    return withoutFilling(await text(reader));
  };
  return { writer, read };
}

/** A pipe whose reader is gone. */
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
