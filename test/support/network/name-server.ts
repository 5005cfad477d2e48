import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";

const PORT = 53;
/**
 * Flags of an answer (RFC 1035, 4.1.1): authoritative, recursion available; with the code "no such name" in the second.
 */
const [FOUND, NO_SUCH_NAME] = [0x8580, 0x8583];
const TYPE_A = 1;
const HEADER_BYTES = 12;
/** Type and class behind a question's name. */
const QUESTION_END_BYTES = 5;
/** The name of the question, type A, class IN, 60 seconds, four bytes. */
const ANSWER_127_0_0_1 = Buffer.from("c00c000100010000003c00047f000001", "hex");

/** A DNS server that resolves some names to 127.0.0.1 and no others. Port 53 needs root. */
export class NameServer implements AsyncDisposable {
  /** A loopback address that only this process uses, so that runs can be concurrent. */
  static readonly address = `127.53.${(process.pid >> 8) & 255}.${process.pid & 255}`;
  readonly #socket: Socket;

  private constructor(names: ReadonlySet<string>) {
    this.#socket = createSocket("udp4");
    this.#socket.on("message", (query, from) => this.#socket.send(answer(query, names), from.port, from.address));
  }

  static async start(...names: readonly string[]): Promise<NameServer> {
    const server = new NameServer(new Set(names));
    const listening = once(server.#socket, "listening");
    server.#socket.bind(PORT, NameServer.address);
    await listening;
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }
}

function answer(query: Buffer, names: ReadonlySet<string>): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const isKnown = names.has(labels.join(".").toLowerCase());
  const hasAnswer = isKnown && query.readUInt16BE(at + 1) === TYPE_A;
  const head = Buffer.from(query.subarray(0, at + QUESTION_END_BYTES));
  head.writeUInt16BE(isKnown ? FOUND : NO_SUCH_NAME, 2);
  head.writeUInt16BE(hasAnswer ? 1 : 0, 6);
  // No authority records, and none of the additional records of the query.
  head.writeUInt32BE(0, 8);
  return hasAnswer ? Buffer.concat([head, ANSWER_127_0_0_1]) : head;
}
