import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { discard, ensureStatus, readAll, readBriefly } from "../../../src/http/body.ts";
import { Http, type HttpRequest } from "../../../src/http/http.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const BODY = "Content-Length: 2\r\n\r\nok";

function client(): Http {
  const http = new Http({});
  onTestFinished(() => http.close());
  return http;
}

async function serve(...answers: readonly (string | Buffer)[]) {
  const server = await RawServer.answering(...answers);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

const requestTo = (server: RawServer, method: HttpRequest["method"] = "GET"): HttpRequest => ({
  method,
  url: new URL(`http://${server.host}/`),
  headersTimeoutMs: 5_000,
});

async function read(http: Http, request: HttpRequest): Promise<string> {
  const answer = await http.exchange(request, false);
  return `${answer.status} ${await readAll(request, answer, 1 << 20)}`;
}

const TAKEN: Readonly<Record<string, string | Buffer>> = {
  "100 that nobody asked for": `HTTP/1.1 100 Continue\r\n\r\n${OK}${BODY}`,
  "102 and 103 in a row": `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${OK}${BODY}`,
  "Content-Length beside Transfer-Encoding": `${OK}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  "Content-Length twice": `${OK}Content-Length: 2\r\n${BODY}`,
  "an empty Content-Length": `${OK}Content-Length: \r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  "a folded header": `${OK}X-A: a\r\n b\r\n\tc\r\n${BODY}`,
  "900 KiB of headers": `${OK}X-A: ${"a".repeat(900 << 10)}\r\n${BODY}`,
  "3000 headers": `${OK}${Array.from({ length: 3000 }, (_, i) => `X-${i}: v\r\n`).join("")}${BODY}`,
  "bare line feeds": "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
  "no reason": `HTTP/1.1 200\r\n${BODY}`,
  "a space before a colon": `${OK}X-A : a\r\n${BODY}`,
  "a name with spaces": `${OK}X A: a\r\nX  B C : b\r\n folded\r\n${BODY}`,
  "spaces after a Content-Length": `${OK}X-A: a\r\nContent-Length: 2 \t\r\n\r\nok`,
  "tabs around a Transfer-Encoding": `${OK}Transfer-Encoding:\tchunked\t\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  "a header in Latin-1": Buffer.from(`${OK}X-A: \xe4\r\n${BODY}`, "latin1"),
  "HTTP/1.0": `HTTP/1.0 200 OK\r\n${BODY}`,
  "chunks with spaces and extensions": `${OK}Transfer-Encoding: Chunked\r\n\r\n2 ;a=b\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n`,
  "chunks between bare line feeds": `${OK}Transfer-Encoding: chunked\r\n\r\n1\no\n1\nk\n0\n\n`,
  "an offer of HTTP/2": `${OK}Upgrade: h2,h2c\r\nConnection: Upgrade\r\n${BODY}`,
  "bytes behind its body": `${OK}${BODY}GARBAGE`,
  "gzip that nobody asked for": gzipped("gzip"),
  "x-gzip": gzipped("x-gzip"),
  "gzip and a space": gzipped("gzip "),
};

function gzipped(coding: string): Buffer {
  const bytes = gzipSync("ok");
  return Buffer.concat([
    Buffer.from(`${OK}Content-Encoding: ${coding}\r\nContent-Length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
}

describe("accepts, like Go's client, a response with", () => {
  test.each(Object.keys(TAKEN))("%s", async (name) => {
    const server = await serve(TAKEN[name] ?? "");
    const http = client();
    expect(await read(http, requestTo(server))).toBe("200 ok");
    // No part of the first response answers the next request.
    expect(await read(http, requestTo(server))).toBe("200 ok");
  });

  test.each(Object.keys(TAKEN).filter((name) => !name.includes("gzip")))("%s, byte by byte", async (name) => {
    const bytes = Buffer.from(TAKEN[name]?.toString("latin1") ?? "", "latin1").subarray(0, 4096);
    // Longer ones would take minutes and differ only at the start.
    if (bytes.length === 4096) return;
    const server = await RawServer.start((socket) => {
      socket.setNoDelay(true).once("data", async () => {
        for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
        socket.end();
      });
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    expect(await read(client(), requestTo(server))).toBe("200 ok");
  });
});

test("a header whose name contains a space is dropped with all its lines", async () => {
  const server = await serve(`${OK}X-A: a\r\nX B: b\r\n folded\r\n${BODY}`);
  const answer = await client().exchange(requestTo(server), false);
  await discard(answer);
  expect(answer.headers).toEqual({ "x-a": "a", "content-length": "2" });
});

test.each([
  ["X(A: a", '"X(A: a"'],
  ["X (A: a", '"X (A: a"'],
  [": a", '": a"'],
  ["X-A", '"X-A"'],
  ["X-A: a\x00b", String.raw`"X-A: a\x00b"`],
  ["X-A: \u00c3\u00a4\x1b[0m", String.raw`"X-A: ä\x1b[0m"`],
  ["X-A: a\x7f", String.raw`"X-A: a\x7f"`],
  ["X-A: a\r\n \x01", String.raw`" \x01"`],
])("the header %j is an error that shows it, with and without a body", async (field, text) => {
  for (const body of [BODY, "\r\n"]) {
    const server = await serve(Buffer.from(`${OK}Content-Length: 2\r\n${field}\r\n${body}`, "latin1"));
    expect(await rejectionOf(read(client(), requestTo(server)))).toMatchObject({
      message: expect.stringMatching(
        /^Get "http:\S+": net\/http: HTTP\/1.x transport connection broken: malformed MIME/,
      ),
      cause: { message: `malformed MIME header line: ${text}` },
      hint: `Correct this header of ${server.host}, or of the load balancer in front of it.`,
      isTemporary: true,
    });
  }
});

test.each([
  ["Transfer-Encoding: identity", 'unsupported transfer encoding: "identity"'],
  ["Transfer-Encoding: gzip, chunked", 'unsupported transfer encoding: "gzip, chunked"'],
  ["Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 'too many transfer encodings: ["chunked" "chunked"]'],
])("%j is an error, as in Go", async (fields, text) => {
  const server = await serve(`${OK}${fields}\r\n${BODY}`);
  for (const method of ["GET", "HEAD"] as const)
    expect(await rejectionOf(read(client(), requestTo(server, method)))).toMatchObject({
      message: expect.stringContaining(`": net/http: HTTP/1.x transport connection broken: ${text}`),
      hint: `Configure ${server.host}, or the load balancer in front of it, to use no transfer coding but chunked.`,
      isTemporary: true,
    });
});

test("HTTP/1.0 has no transfer codings", async () => {
  const server = await RawServer.start(
    (socket) =>
      void socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  expect(await read(client(), requestTo(server))).toBe("200 0\r\n\r\n");
});

test("a folded header is one value", async () => {
  const server = await serve(`${OK}X-A: a\r\n b\r\n\tc\r\n${BODY}`);
  const answer = await client().exchange(requestTo(server), false);
  await discard(answer);
  expect(answer.headers["x-a"]).toBe("a b c");
});

test("a header's value has no spaces around it", async () => {
  const server = await serve(`${OK}X-A:\t a b \t\r\n${BODY}`);
  const answer = await client().exchange(requestTo(server), false);
  await discard(answer);
  expect(answer.headers["x-a"]).toBe("a b");
});

test("two different Content-Lengths are an error", async () => {
  const server = await serve(`${OK}Content-Length: 3\r\n${BODY}`);
  expect(await rejectionOf(read(client(), requestTo(server)))).toMatchObject({
    message: expect.stringMatching(/unexpected EOF$/),
  });
});

test("the body of a 204 is dropped, and the next request gets its own response", async () => {
  const server = await serve(`HTTP/1.1 204 No Content\r\n${BODY}`, `${OK}${BODY}`);
  const http = client();
  expect(await read(http, requestTo(server))).toBe("204 ");
  expect(await read(http, requestTo(server))).toBe("200 ok");
});

test("a response to HEAD has no body, whatever its coding and length", async () => {
  const server = await serve(`${OK}Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n`);
  const http = client();
  expect(await read(http, requestTo(server, "HEAD"))).toBe("200 ");
  expect(await read(http, requestTo(server, "HEAD"))).toBe("200 ");
});

test.each(["HEAD", "GET"] as const)("consecutive %s requests share a connection", async (method) => {
  const server = await serve(`${OK}Content-Length: 0\r\n\r\n`);
  const http = client();
  for (let i = 0; i < 3; i++) expect(await read(http, requestTo(server, method))).toBe("200 ");
  expect(server.connections).toBe(1);
});

test("drops a body that follows a response to HEAD, and the next request gets its own response", async () => {
  const server = await serve(`${OK}${BODY}`);
  const http = client();
  expect(await read(http, requestTo(server, "HEAD"))).toBe("200 ");
  expect(await read(http, requestTo(server))).toBe("200 ok");
});

test("repeats a request whose response would begin with the body of a response to HEAD", async () => {
  const server = await RawServer.start((socket) => {
    // The body arrives once the next request is on its way.
    let requests = 0;
    socket.on("data", (data) => {
      requests += 1;
      if (data.toString().startsWith("HEAD")) socket.write(`${OK}Content-Length: 2\r\n\r\n`);
      else socket.write(requests === 1 ? `${OK}${BODY}` : `no${OK}${BODY}`);
    });
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const http = client();
  expect(await read(http, requestTo(server, "HEAD"))).toBe("200 ");
  expect(await read(http, requestTo(server))).toBe("200 ok");
  expect(server.connections).toBe(2);
  expect(await read(http, requestTo(server, "HEAD"))).toBe("200 ");
  const post = await rejectionOf(read(http, requestTo(server, "POST")));
  expect(post).toMatchObject({ message: expect.stringMatching(/: EOF$/), isTemporary: true });
});

test("a range of a compressed file stays unchanged", async () => {
  const bytes = gzipSync("ok");
  const head = `HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  const server = await serve(Buffer.concat([Buffer.from(head), bytes]));
  const request = { ...requestTo(server), headers: { range: "bytes=0-" } };
  expect(await readAll(request, await client().exchange(request, false), 100)).toEqual(bytes);
});

test("a body may be as long as the limit, and a longer one is an error without being read to its end", async () => {
  const server = await serve(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`, `${OK}\r\nendless`);
  const readTwo = async () => {
    const request = requestTo(server);
    return await readAll(request, await client().exchange(request, false), 2);
  };
  expect(String(await readTwo())).toBe("ok");
  expect(await rejectionOf(readTwo())).toMatchObject({
    code: "EXPORT_REGISTRY_TOO_LARGE",
    message: expect.stringMatching(/^GET http:\S+: the response is longer than 2 bytes$/),
  });
});

test.each([
  ["closes", (socket: Socket) => socket.destroy()],
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
])("replaces a kept connection that the server %s, but only to read", async (_, end) => {
  const server = await RawServer.start((socket) => {
    // The connection is closed when the second request uses it.
    let requests = 0;
    socket.on("data", () => {
      requests += 1;
      if (requests === 1) socket.write(`${OK}${BODY}`);
      else end(socket);
    });
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const http = client();
  for (let i = 0; i < 3; i++) expect(await read(http, requestTo(server))).toBe("200 ok");
  expect(server.connections).toBe(3);
  expect(await rejectionOf(read(http, requestTo(server, "POST")))).toMatchObject({ isTemporary: true });
  expect(server.connections).toBe(3);
});

test("names HTTP/2 in the error of an HTTP/2 response", async () => {
  const server = await serve(Buffer.from("000006040000000000000500004000", "hex"));
  expect(await rejectionOf(read(client(), requestTo(server)))).toMatchObject({
    message: expect.stringMatching(/: the server answered in HTTP\/2$/),
    hint: `${server.host} speaks HTTP/2 only: enable HTTP/1.1 there, or in the load balancer in front of it.`,
    isTemporary: false,
  });
});

test("an unrequested protocol switch is an error", async () => {
  const server = await serve("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  expect(await rejectionOf(read(client(), requestTo(server)))).toMatchObject({
    message: expect.stringMatching(/transport connection broken: unexpected switch of protocols$/),
  });
});

test("a body that never ends is not waited for if it is not needed", async () => {
  const http = new Http({}, { timeouts: { ...client().timeouts, stallMs: 0 } });
  onTestFinished(() => http.close());
  const exchange = async (status: string, rest: string) => {
    const request = requestTo(await serve(`HTTP/1.1 ${status}\r\n${rest}`), "PUT");
    const response = await http.exchange(request, false);
    await ensureStatus(request, response, [201]);
    await discard(response);
  };
  const endings = ["\r\n", "Content-Length: 9\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\n"];
  const taken = endings.map((ending) => exchange("201 Created", ending));
  const refused = endings.map((ending) => rejectionOf(exchange("403 Forbidden", `${ending}no`)));
  await Promise.all(taken);
  for (const error of await Promise.all(refused))
    expect(error).toMatchObject({ status: 403, message: expect.stringMatching(/403 Forbidden: no$/) });
});

test("a body that arrived during a pause of the process is read", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const body = new Readable({ read: () => undefined });
  const reading = readBriefly(body);
  vi.runAllTimers();
  body.push("no");
  body.push(null);
  expect(`${await reading}`).toBe("no");
});

test("a stalled response times out", async () => {
  const server = await serve(`${OK}Content-Length: 9\r\n\r\nok`);
  const http = new Http({}, { timeouts: { ...client().timeouts, stallMs: 100 } });
  onTestFinished(() => http.close());
  expect(await rejectionOf(read(http, requestTo(server)))).toMatchObject({
    message: expect.stringMatching(/: timeout awaiting response body$/),
    isTemporary: true,
  });
});
