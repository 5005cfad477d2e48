import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { DropConnection, type Reply } from "./exchange.ts";

/**
 * @returns true if the connection is left open in the middle of the answer
 * @throws DropConnection if it must be cut
 */
export async function send(reply: Reply, response: ServerResponse): Promise<boolean> {
  const { status, headers, body, interruption, bytesAtATime } = reply;
  if (interruption !== undefined || bytesAtATime !== undefined) return sendRaw(reply, response);
  response.writeHead(status, headers);
  if (body instanceof Readable) await pipeline(body, response);
  else response.end(body);
  return false;
}

/** Writes raw bytes, so that any byte can be the last. */
async function sendRaw(reply: Reply, response: ServerResponse): Promise<boolean> {
  const { interruption, bytesAtATime = Number.POSITIVE_INFINITY } = reply;
  const bytes = await bytesOf(reply);
  const end = Math.min(bytes.length, interruption?.afterBytes ?? bytes.length);
  const { socket } = response;
  if (socket === null) throw new DropConnection();
  for (let at = 0; at < end; at += bytesAtATime) {
    const part = bytes.subarray(at, Math.min(end, at + bytesAtATime));
    await new Promise<void>((resolve) => socket.write(part, () => resolve()));
  }
  if (interruption?.then === "silence") return true;
  // A reset could overtake the written bytes; ending an unfinished answer has the same effect.
  if (interruption !== undefined) socket.destroySoon();
  else socket.end();
  return true;
}

async function bytesOf({ status, headers = {}, body = "" }: Reply): Promise<Buffer> {
  const content = body instanceof Readable ? await buffer(body) : Buffer.from(body);
  const lines = Object.entries({ "content-length": String(content.length), ...headers, connection: "close" });
  const head = [`HTTP/1.1 ${status} Status`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""];
  return Buffer.concat([Buffer.from(head.join("\r\n")), content]);
}
