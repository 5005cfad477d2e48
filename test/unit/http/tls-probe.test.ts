import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { refusesTls } from "../../../src/http/tls-probe.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";

async function listening(server: Server, host: string): Promise<string> {
  server.listen(0, host);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { address, port } = server.address() as AddressInfo;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function tcp(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    answer(socket);
  });
  return listening(server, "127.0.0.1");
}

describe("a server that speaks TLS is recognized", () => {
  const authority = new CertificateAuthority();

  test.each<[string, TlsOptions]>([
    ["1.2 and 1.3", {}],
    ["1.2 only", { maxVersion: "TLSv1.2" }],
    ["1.3 only, which answers with an alert", { minVersion: "TLSv1.3" }],
    ["with a certificate of the client", { requestCert: true, rejectUnauthorized: true }],
    ["with no cipher in common", { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" }],
  ])("%s", async (_, options) => {
    const server = createTlsServer({ ...authority.issue("127.0.0.1"), ...options });
    server.on("tlsClientError", () => undefined);
    expect(await refusesTls(await listening(server, "127.0.0.1"))).toBe(false);
  });

  test("if it answers to a known server name only", async () => {
    const known: string[] = [];
    const server = createTlsServer({
      ...authority.issue("localhost"),
      SNICallback: (name, done) => {
        known.push(name);
        done(null);
      },
    });
    server.on("tlsClientError", () => undefined);
    const { port } = new URL(`http://${await listening(server, "127.0.0.1")}`);
    expect(await refusesTls(`localhost:${port}`)).toBe(false);
    expect(known).toEqual(["localhost"]);
  });

  test("and understands the greeting", async () => {
    const server = createTlsServer({ ...authority.issue("127.0.0.1"), maxVersion: "TLSv1.2" });
    const failure = once(server, "tlsClientError");
    expect(await refusesTls(await listening(server, "127.0.0.1"))).toBe(false);
    expect((await failure)[0]).toMatchObject({ code: "ECONNRESET" });
  });
});

test("a server of plain HTTP refuses TLS", async () => {
  await using server = await ScriptedServer.start(() => ({ body: "" }));
  expect(await refusesTls(server.host)).toBe(true);
});

test("a server that closes or resets the connection, or sends anything else, refuses TLS", async () => {
  const answers: ((socket: Socket) => void)[] = [
    (socket) => socket.end(),
    (socket) => socket.once("data", () => socket.resetAndDestroy()),
    (socket) => socket.write("SSH-2.0-OpenSSH_9.2p1\r\n"),
  ];
  for (const answer of answers) expect(await refusesTls(await tcp(answer))).toBe(true);
});

test("a silent server, and one that cannot be reached, may speak TLS", async () => {
  expect(await refusesTls(await tcp((socket) => socket.resume()))).toBe(false);
  const server = createServer();
  const host = await listening(server, "127.0.0.1");
  server.close();
  await once(server, "close");
  expect(await refusesTls(host)).toBe(false);
});

test("an abort ends the probe", async () => {
  const host = await tcp((socket) => socket.resume());
  const stop = new AbortController();
  const probe = refusesTls(host, stop.signal);
  stop.abort();
  expect(await probe).toBe(false);
});
