import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { DropConnection, type Reply } from "./exchange.ts";

/**
 * Sends an answer as the reply says.
 * @returns true when the connection is left hanging in the middle of it
 * @throws DropConnection when it is to be cut
 */
export async function send(reply: Reply, response: ServerResponse): Promise<boolean> {
  const { status, headers, body, interruption, bytesAtATime } = reply;
  if (interruption !== undefined || bytesAtATime !== undefined) return sendRaw(reply, response);
  response.writeHead(status, headers);
  if (body instanceof Readable) await pipeline(body, response);
  else response.end(body);
  return false;
}

/** The bytes themselves, so that any of them can be the last. */
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
  // A reset could overtake what was written; the end of an unfinished answer is as good.
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
