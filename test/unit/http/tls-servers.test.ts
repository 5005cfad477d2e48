import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { constants, randomUUID, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Fault } from "../../../src/errors/fault.ts";
import { printableLine } from "../../../src/errors/printable.ts";
import { readAll } from "../../../src/http/body.ts";
import { Http, type HttpRequest } from "../../../src/http/http.ts";
import { TlsSessions } from "../../../src/http/tls.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const OPENSSL = findProgram("openssl");
const GNUTLS = findProgram("gnutls-serv");

async function get(url: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const http = new Http(environment);
  onTestFinished(() => http.close());
  const request: HttpRequest = { method: "GET", url: new URL(url), headersTimeoutMs: 5_000 };
  const answer = await http.exchange(request, false);
  return `${answer.status} ${await readAll(request, answer, 1 << 20)}`;
}

/** A key type of OpenSSL's `-newkey`. */
const SMALL_RSA = ["rsa:1024"];
const EC = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

interface ChainOptions {
  readonly key?: readonly string[];
  readonly days?: string;
  /** Signs all certificates but the root. */
  readonly digest?: string;
  /** Lines of further extensions, in the syntax of OpenSSL's configuration. */
  readonly ofCa?: string;
  readonly ofServer?: string;
}

/** A root, an intermediate and a server certificate, made by OpenSSL. */
function makeChain({ key = EC, days = "30", digest = "-sha256", ofCa = "", ofServer = "" }: ChainOptions = {}) {
  const directory = tempTree({
    "root.ext": "basicConstraints=critical,CA:TRUE\n",
    "ca.ext": `basicConstraints=critical,CA:TRUE\n${ofCa}`,
    "ip.ext": `subjectAltName=IP:127.0.0.1\n${ofServer}`,
  });
  const id = randomUUID();
  const at = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync(OPENSSL ?? "", args, { cwd: directory, stdio: "ignore" });
  const request = (name: string) =>
    openssl(
      "req",
      "-new",
      "-newkey",
      ...key,
      "-nodes",
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name} ${id}`,
    );
  const sign = (name: string, by: string, extension: string) =>
    openssl(
      "x509",
      "-req",
      digest,
      "-in",
      `${name}.csr`,
      "-CA",
      `${by}.pem`,
      "-CAkey",
      `${by}.key`,
      "-CAcreateserial",
      "-days",
      days,
      "-extfile",
      extension,
      "-out",
      `${name}.pem`,
    );
  request("root");
  openssl(
    "x509",
    "-req",
    "-sha256",
    "-in",
    "root.csr",
    "-signkey",
    "root.key",
    "-days",
    days,
    "-extfile",
    "root.ext",
    "-out",
    "root.pem",
  );
  request("middle");
  sign("middle", "root", "ca.ext");
  request("server");
  sign("server", "middle", "ip.ext");
  const pem = (name: string) => readFileSync(at(name.includes(".") ? name : `${name}.pem`), "utf8");
  return { at, pem, certificate: { cert: pem("server.pem") + pem("middle.pem"), key: pem("server.key") } };
}

const trusting = (path: string) => ({ SSL_CERT_FILE: path, SSL_CERT_DIR: tempTree({}) });

test.skipIf(OPENSSL === undefined).each(["root.pem", "middle.pem", "server.pem"])(
  "SSL_CERT_FILE may hold any certificate of the chain: %s",
  async (file) => {
    const { at, certificate } = makeChain();
    const server = await ScriptedServer.start(() => ({ body: "secure" }), certificate);
    onTestFinished(() => server[Symbol.asyncDispose]());
    expect(await get(`https://${server.host}/`, trusting(at(file)))).toBe("200 secure");
    const stranger = makeChain();
    expect(String(await rejectionOf(get(`https://${server.host}/`, trusting(stranger.at(file)))))).toMatch(
      /x509: certificate signed by unknown authority$/,
    );
  },
);

describe("a further connection", () => {
  const authority = new CertificateAuthority();

  /** A server that ends each connection after its answer, and tells which connections resumed a session. */
  async function endingServer(options: TlsOptions = {}, port = 0) {
    const resumed: boolean[] = [];
    const onConnection = (socket: Socket) => {
      resumed.push((socket as TLSSocket).isSessionReused());
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    };
    const tls = { ...authority.issue("127.0.0.1"), ...options };
    const server = await RawServer.start(onConnection, tls, "127.0.0.1", port);
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= server[Symbol.asyncDispose]());
    onTestFinished(close);
    return { resumed, url: `https://${server.host}/`, port: server.port, close };
  }

  function client(trusted = authority) {
    const http = new Http(trusting(`${tempTree({ "ca.pem": trusted.pem })}/ca.pem`));
    onTestFinished(() => http.close());
    return async (url: string, isInsecure = false) => {
      const request: HttpRequest = { method: "GET", url: new URL(url), headersTimeoutMs: 5_000 };
      const answer = await http.exchange(request, isInsecure);
      return `${await readAll(request, answer, 100)}`;
    };
  }

  test.each(["TLSv1.2", "TLSv1.3"] as const)("resumes the session of the last one: %s", async (maxVersion) => {
    const [{ resumed, url }, other] = [await endingServer({ maxVersion }), await endingServer({ maxVersion })];
    const send = client();
    for (let i = 0; i < 3; i += 1) expect(await send(url)).toBe("ok");
    expect(resumed).toEqual([false, true, true]);
    await send(other.url);
    expect(other.resumed).toEqual([false]);
  });

  test("of a client that verifies resumes no session of one that does not", async () => {
    const { resumed, url } = await endingServer();
    const send = client(new CertificateAuthority());
    for (let i = 0; i < 2; i += 1) expect(await send(url, true)).toBe("ok");
    expect(resumed).toEqual([false, true]);
    expect(String(await rejectionOf(send(url)))).toMatch(/x509: certificate signed by unknown authority$/);
  });

  test("connects again to a server that refuses the session it is offered", async () => {
    let refusals = 0;
    const known = new Set<string>();
    const options: TlsOptions = {
      ...authority.issue("127.0.0.1"),
      maxVersion: "TLSv1.2",
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
    const server = createServer(options, (socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    });
    server.on("newSession", (id, _session, done) => {
      known.add(id.toString("hex"));
      done();
    });
    server.on("resumeSession", (id, done) => {
      // Clients of TLS 1.3 send an id in any case (RFC 8446, appendix D.4).
      const isKnown = known.has(id.toString("hex"));
      if (isKnown) refusals += 1;
      done(isKnown ? new Error("no session") : null, undefined);
    });
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const [send, { port }] = [client(), server.address() as AddressInfo];
    for (let i = 0; i < 3; i += 1) expect(await send(`https://127.0.0.1:${port}/`)).toBe("ok");
    expect(refusals).toBe(2);
  });

  test("makes a new session with a server that has forgotten the old one", async () => {
    const [first, send] = [await endingServer(), client()];
    await send(first.url);
    await first.close();
    const second = await endingServer({}, first.port);
    expect([await send(second.url), await send(second.url)]).toEqual(["ok", "ok"]);
    expect(second.resumed).toEqual([false, true]);
  });
});

test("keeps the sessions of a limited number of servers", () => {
  const sessions = new TlsSessions();
  const session = Buffer.from("session");
  for (let i = 0; i < 100; i += 1) sessions.set(`${i}`, session);
  const kept = Array.from({ length: 100 }, (_, i) => `${i}`).filter((server) => sessions.get(server) !== undefined);
  expect(kept).toEqual(Array.from({ length: 32 }, (_, i) => `${68 + i}`));
});

test.skipIf(OPENSSL === undefined)("accepts a server with a 1024-bit key", async () => {
  const { at, pem } = makeChain({ key: SMALL_RSA });
  // Node's own server refuses such a key.
  const server = await RawServer.start((socket) => void socket.end(), {
    cert: pem("server.pem") + pem("middle.pem"),
    key: pem("server.key"),
    ciphers: "DEFAULT:@SECLEVEL=0",
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  // The handshake succeeds, and the server never answers.
  expect(String(await rejectionOf(get(`https://${server.host}/`, trusting(at("root.pem")))))).toMatch(/: EOF$/);
});

test.skipIf(OPENSSL === undefined)("an expired certificate is a permanent error", async () => {
  const { at, certificate } = makeChain({ days: "0" });
  const server = await ScriptedServer.start(() => ({ body: "secure" }), certificate);
  onTestFinished(() => server[Symbol.asyncDispose]());
  await delay(1100);
  expect(await rejectionOf(get(`https://${server.host}/`, trusting(at("root.pem"))))).toMatchObject({
    message: expect.stringMatching(
      /x509: certificate has expired or is not yet valid: current time \S+Z is after \S+Z$/,
    ),
    isTemporary: false,
  });
});

test.each([
  [2020, 2021, "is after 2021-01-01T00:00:00Z", /^Renew the certificate of 127\.0\.0\.1:\d+, or set the clock/],
  [2048, 2049, "is before 2048-01-01T00:00:00Z", /^Set the clock of this machine, or give 127\.0\.0\.1:\d+ a/],
])("a certificate valid from %i to %i is shown with the machine's time", async (beginYear, endYear, text, hint) => {
  const authority = new CertificateAuthority(undefined, endYear, beginYear);
  const server = await ScriptedServer.start(() => ({ body: "secure" }), authority.issue("127.0.0.1"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const environment = trusting(`${tempTree({ "ca.pem": authority.pem })}/ca.pem`);
  const error = await rejectionOf(get(`https://${server.host}/`, environment));
  const [, shown = "", rest] = /: current time (\S+) (.*)$/.exec((error as Error).message) ?? [];
  expect(Math.abs(Date.parse(shown) - Date.now())).toBeLessThan(60_000);
  expect(rest).toBe(text);
  expect(error).toMatchObject({ hint: expect.stringMatching(hint) });
});

test.skipIf(OPENSSL === undefined).each([
  ["a server that sends its whole chain", ["server", "middle"], "root", false],
  ["a server that does not send its intermediate certificate", ["server"], "middle", true],
  ["a server with a certificate of its own", ["root"], "root", false],
])("the advice to trust %s names the CA", async (_, names, issuer, isWithoutIssuer) => {
  const { pem } = makeChain();
  const certificate = { cert: names.map(pem).join(""), key: pem(`${names[0]}.key`) };
  const server = await ScriptedServer.start(() => ({ body: "" }), certificate);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { hint = "" } = (await rejectionOf(get(`https://${server.host}/`, { SSL_CERT_DIR: "/" }))) as Fault;
  expect(hint).toContain(`Add the CA of ${server.host} (CN=${issuer} `);
  expect(hint.endsWith(`configure ${server.host} to send that CA's certificate as well.`)).toBe(isWithoutIssuer);
});

test.each([
  ["SSL_CERT_FILE", "missing", "open PATH: no such file or directory"],
  ["SSL_CERT_FILE", "", "open PATH: is a directory"],
  ["SSL_CERT_FILE", "two\nlines", "open PATH: no such file or directory"],
  ["SSL_CERT_FILE", "der", "PATH has no certificate in PEM format"],
  ["SSL_CERT_DIR", "", "PATH has no file with a certificate in PEM format"],
  ["SSL_CERT_DIR", "missing", "PATH has no file with a certificate in PEM format"],
])("the advice says why %s=%s has no effect", async (variable, name, reason) => {
  const authority = new CertificateAuthority();
  const der = new X509Certificate(authority.pem).raw.toString("latin1");
  const path = join(tempTree({ der }), name);
  const server = await ScriptedServer.start(() => ({ body: "" }), authority.issue("127.0.0.1"));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const error = await rejectionOf(get(`https://${server.host}/`, { [variable]: path }));
  expect(error).toMatchObject({
    hint: expect.stringContaining(`${variable}: ${reason.replace("PATH", printableLine(path))}. Add the CA of `),
  });
});

test.each<[string, (socket: Socket) => void, string]>([
  ["ends", (socket) => socket.once("data", () => socket.end()), "EOF"],
  ["resets", (socket) => socket.once("data", () => socket.resetAndDestroy()), "read: connection reset by peer"],
  ["ends at once", (socket) => socket.end(), "EOF"],
])("a server that %s a connection which begins with TLS may not speak it", async (_, hangUp, text) => {
  const server = await RawServer.start(hangUp);
  onTestFinished(() => server[Symbol.asyncDispose]());
  expect(await rejectionOf(get(`https://${server.host}/`, {}))).toMatchObject({
    message: `Get "https://${server.host}/": ${text}`,
    hint: expect.stringMatching(
      new RegExp(
        `^${server.host} closes connections that begin with TLS: check that this port speaks https .*firewall`,
      ),
    ),
    isTemporary: true,
    hasNeverAnswered: true,
  });
});

const BAD_NAME = "a root or intermediate certificate is not authorized to sign for this name";

// The texts are Go's, where it has any.
test.skipIf(OPENSSL === undefined).each<[string, ChainOptions, string, string]>([
  [
    "an unknown critical extension",
    { ofServer: "1.2.3.4=critical,DER:0500" },
    "unhandled critical extension",
    "Replace",
  ],
  [
    "an address that its CA may not sign for",
    { ofCa: "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0" },
    `${BAD_NAME}: permitted subtree violation`,
    "Replace",
  ],
  [
    "an address that its CA must not sign for",
    { ofCa: "nameConstraints=critical,excluded;IP:127.0.0.0/255.0.0.0" },
    `${BAD_NAME}: excluded subtree violation`,
    "Replace",
  ],
  [
    "a SHA-1 signature",
    { digest: "-sha1" },
    'certificate signed by unknown authority (possibly because of "CA signature digest algorithm too weak")',
    "Replace",
  ],
  [
    "another purpose",
    { ofServer: "extendedKeyUsage=clientAuth" },
    "certificate specifies an incompatible key usage",
    "Give",
  ],
])("a certificate with %s is a permanent error", async (_, options, text, hint) => {
  const { at, certificate } = makeChain(options);
  // Node's own server refuses some of these certificates.
  const server = await RawServer.start((socket) => void socket.end(), { ...certificate, ciphers: "ALL:@SECLEVEL=0" });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const error = await rejectionOf(get(`https://${server.host}/`, trusting(at("root.pem"))));
  expect(error).toMatchObject({
    message: `Get "https://${server.host}/": tls: failed to verify certificate: x509: ${text}`,
    hint: expect.stringMatching(new RegExp(`^${hint} .*${server.host}`)),
    isTemporary: false,
  });
});

/** Also waits until the server listens. */
async function startProgram(program: string, argsFor: (port: number) => readonly string[]): Promise<number> {
  const free = await RawServer.start(() => undefined);
  const { port } = free;
  await free[Symbol.asyncDispose]();
  const child: ChildProcess = spawn(program, argsFor(port), { stdio: ["pipe", "ignore", "ignore"] });
  onTestFinished(async () => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  });
  for (;;) {
    const socket = connect({ host: "127.0.0.1", port });
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return port;
    await delay(20);
  }
}

test.skipIf(OPENSSL === undefined || GNUTLS === undefined)(
  "accepts a server without RFC 5746, such as an old load balancer",
  async () => {
    const { at } = makeChain();
    const priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION";
    const port = await startProgram(GNUTLS ?? "", (free) => [
      ...["--http", "--port", String(free), "--priority", priority],
      ...["--x509certfile", at("server.pem"), "--x509keyfile", at("server.key")],
    ]);
    expect(await get(`https://127.0.0.1:${port}/`, trusting(at("server.pem")))).toMatch(/^200 /);
  },
);

describe("an alert of a server is worded as by Go", () => {
  const authority = new CertificateAuthority();
  const clients = { requestCert: true, rejectUnauthorized: true };

  /** Greets with an alert, as a server that starts may do. */
  const alerting = (alert: number) => (socket: Socket) =>
    void socket.once("data", () => socket.end(Buffer.of(0x15, 3, 3, 0, 2, 2, alert)));
  const closing = (socket: Socket) => void socket.end();

  test.each<[string, (socket: Socket) => void, TlsOptions | undefined, string, RegExp, boolean]>([
    [
      "that requires a client certificate",
      closing,
      { ...clients, minVersion: "TLSv1.3" },
      "certificate required",
      /requires a client certificate, which is not supported/,
      false,
    ],
    [
      "of TLS 1.2 that requires a client certificate",
      closing,
      { ...clients, maxVersion: "TLSv1.2" },
      "handshake failure",
      /^Enable TLS 1\.2 or 1\.3 with an ECDHE cipher on .* allow clients without a certificate/,
      true,
    ],
    [
      "of TLS 1.1",
      closing,
      { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" },
      "protocol version not supported",
      /^Enable TLS 1\.2 or 1\.3 on /,
      false,
    ],
    ["with HTTP/2 only", closing, { ALPNProtocols: ["h2"] }, "no application protocol", /speaks HTTP\/2 only/, false],
    ["without the name", alerting(112), undefined, "unrecognized name", /^Check the name /, true],
    ["that starts", alerting(80), undefined, "internal error", /^Check the TLS settings of /, true],
  ])("%s", async (_, onConnection, options, text, hint, isTemporary) => {
    const tls = options && { ...authority.issue("127.0.0.1"), ca: authority.pem, ...options };
    const server = await RawServer.start(onConnection, tls);
    onTestFinished(() => server[Symbol.asyncDispose]());
    const trusted = trusting(`${tempTree({ "ca.pem": authority.pem })}/ca.pem`);
    expect(await rejectionOf(get(`https://${server.host}/`, trusted))).toMatchObject({
      message: `Get "https://${server.host}/": remote error: tls: ${text}`,
      hint: expect.stringMatching(hint),
      isTemporary,
      hasNeverAnswered: true,
    });
  });
});

test("an error of OpenSSL's own names no file of its build", async () => {
  // The answer to the greeting is a handshake message of a type that does not exist.
  const server = await RawServer.start(
    (socket) => void socket.once("data", () => socket.end(Buffer.of(0x16, 3, 3, 0, 4, 99, 0, 0, 0))),
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  expect(await rejectionOf(get(`https://${server.host}/`, {}))).toMatchObject({
    message: `Get "https://${server.host}/": tls: unexpected message`,
    hint: expect.stringMatching(/^Check the TLS settings of /),
    isTemporary: true,
  });
});

test.skipIf(OPENSSL === undefined)("the error of a server with HTTP/2 only says so", async () => {
  const { at, certificate } = makeChain();
  const server = await RawServer.start(() => undefined, { ...certificate, ALPNProtocols: ["h2"] });
  onTestFinished(() => server[Symbol.asyncDispose]());
  expect(await rejectionOf(get(`https://${server.host}/`, trusting(at("root.pem"))))).toMatchObject({
    hint: `${server.host} speaks HTTP/2 only: enable HTTP/1.1 there, or in the load balancer in front of it.`,
    isTemporary: false,
  });
});
