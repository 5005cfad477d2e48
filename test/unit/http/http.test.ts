import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { TlsOptions } from "node:tls";
import { Script } from "node:vm";
import { describe, expect, onTestFinished, test } from "vitest";
import { toFault } from "../../../src/errors/fault.ts";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { discard, ensureStatus, readAll } from "../../../src/http/body.ts";
import { DEFAULT_TIMEOUTS, Http, type HttpRequest } from "../../../src/http/http.ts";
import { DEFAULT_TIERING_BUDGET, keepParserUnoptimized } from "../../../src/http/transport.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { ConnectProxy, type ProxyOptions } from "../../support/network/connect-proxy.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";
import { startSocksProxy } from "../../support/network/socks-proxy.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const NAME = "server.example";
const authority = new CertificateAuthority();
const get = (url: string): HttpRequest => ({ method: "GET", url: new URL(url), headersTimeoutMs: 5_000 });

function client(environment: Readonly<Record<string, string>>): Http {
  const http = new Http(environment);
  onTestFinished(() => http.close());
  return http;
}

async function read(http: Http, url: string, isInsecure = false): Promise<string> {
  const answer = await http.exchange(get(url), isInsecure);
  return `${answer.status} ${await readAll(get(url), answer, 1000)}`;
}

async function servers(options: ProxyOptions = {}) {
  const secure = await ScriptedServer.start(() => ({ body: "secure" }), authority.issue(NAME));
  const plain = await ScriptedServer.start(() => ({ body: "plain" }));
  const routes = { [`${NAME}:443`]: secure.host, [`${NAME}:80`]: plain.host };
  const proxy = await ConnectProxy.start({ routes, ...options });
  for (const server of [secure, plain, proxy]) onTestFinished(() => server[Symbol.asyncDispose]());
  const trust = { SSL_CERT_FILE: `${tempTree({ "ca.pem": authority.pem })}/ca.pem` };
  return { secure, plain, proxy, trust };
}

test("compiling the parser of responses leaves V8's flags as they were", async () => {
  const source = "(function () { return 1; })";
  const cachedData = new Script(source).createCachedData();
  const { plain } = await servers();
  keepParserUnoptimized();
  expect(await read(client({}), plain.origin)).toBe("200 plain");
  expect(new Script(source, { cachedData }).cachedDataRejected).toBe(false);
  const options = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  expect(/--wasm-tiering-budget=(\d+)/.exec(options)?.[1]).toBe(String(DEFAULT_TIERING_BUDGET));
});

describe.for([{ login: undefined }, { login: "me:pass%40word-of-mine" }, { login: "only-me:" }])(
  "a proxy with the login $login",
  ({ login }) => {
    const options = login === undefined ? {} : { login: decodeURIComponent(login) };
    const urlOf = ({ host }: ConnectProxy) => `http://${login === undefined ? "" : `${login}@`}${host}`;

    test("tunnels https and forwards http", async () => {
      const { proxy, trust } = await servers(options);
      const http = client({ HTTPS_PROXY: urlOf(proxy), HTTP_PROXY: urlOf(proxy), ...trust });
      expect(await read(http, `https://${NAME}/a`)).toBe("200 secure");
      expect(await read(http, `http://${NAME}/a`)).toBe("200 plain");
      expect(proxy.passed).toEqual([`CONNECT ${NAME}:443`, `GET http://${NAME}/a`]);
      expect(proxy.refused).toBe(0);
    });

    test("is not used for hosts in NO_PROXY, this machine or insecure registries", async () => {
      const { plain, proxy } = await servers(options);
      const http = client({ HTTP_PROXY: urlOf(proxy), NO_PROXY: "server.example" });
      expect(await read(http, plain.origin)).toBe("200 plain");
      await rejectionOf(read(http, `http://${NAME}/`));
      await rejectionOf(read(client({ HTTP_PROXY: urlOf(proxy) }), `http://${NAME}/`, true));
      expect(proxy.passed).toEqual([]);
    });
  },
);

test.each([
  "Content-Length: 0\r\nContent-Length: 0\r\n",
  "Content-Length:\r\n",
  "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n",
  "Via : a\r\n",
  "X Y: a\r\n b\r\n",
])("opens a tunnel through a proxy that answers with %j", async (fields) => {
  const { secure, trust } = await servers();
  const proxy = await RawServer.start((socket) => {
    socket.once("data", () => {
      socket.write(`HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\n${fields}\r\n`);
      const inner = connect(Number(secure.host.split(":")[1]), "127.0.0.1").on("error", () => socket.destroy());
      inner.pipe(socket).pipe(inner);
    });
  });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const http = client({ HTTPS_PROXY: `http://${proxy.host}`, ...trust });
  for (let i = 0; i < 2; i += 1) expect(await read(http, `https://${NAME}/`)).toBe("200 secure");
});

test("a rejected proxy login is an error without the password", async () => {
  const { proxy, trust } = await servers({ login: "me:right" });
  const url = `http://me:wrong-password@${proxy.host}`;
  const error = await rejectionOf(read(client({ HTTPS_PROXY: url, ...trust }), `https://${NAME}/a`));
  expect(error).toMatchObject({
    message: 'Get "https://server.example/a": Proxy Authentication Required',
    hint: `The proxy ${proxy.host} rejects the user or password in HTTPS_PROXY or HTTP_PROXY: correct them, with special characters as %XX.`,
    isTemporary: false,
  });
  expect(String(error)).not.toContain("wrong-password");
  expect(withoutSecrets("wrong-password")).toBe("[redacted]");
  const request = get(`http://${NAME}/a`);
  const plain = await client({ HTTP_PROXY: url }).exchange(request, false);
  expect(await rejectionOf(ensureStatus(request, plain, [200]))).toMatchObject({
    message: "GET http://server.example/a: unexpected status code 407 Proxy Authentication Required: login please",
    hint: `The proxy ${proxy.host} rejects the user or password in HTTPS_PROXY or HTTP_PROXY: correct them, with special characters as %XX.`,
  });
});

test.each([
  ["Basic", /^Give the user and password of the proxy (\S+) in HTTPS_PROXY and HTTP_PROXY/],
  ["NTLM", /^The proxy (\S+) requires a login by NTLM, and only Basic is supported/],
])("a proxy that wants a login by %s for a request to forward is named", async (scheme, hint) => {
  const proxy = await ScriptedServer.start(() => ({
    status: 407,
    headers: { "proxy-authenticate": scheme },
    body: "",
  }));
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const request = get(`http://${NAME}/a`);
  const response = await client({ HTTP_PROXY: proxy.origin }).exchange(request, false);
  const error = await rejectionOf(ensureStatus(request, response, [200]));
  expect(hint.exec(toFault(error).hint ?? "")?.[1]).toBe(proxy.host);
});

describe("a failure at a proxy names the proxy and not the registry", () => {
  async function failureAt(url: string, to = `https://${NAME}/a`, trust: Readonly<Record<string, string>> = {}) {
    const proxy = url.replace("://", "://me:secret-password@");
    const error = await rejectionOf(read(client({ HTTPS_PROXY: proxy, HTTP_PROXY: proxy, ...trust }), to));
    expect(JSON.stringify(error) + String(error)).not.toContain("secret-password");
    return error;
  }

  async function serve(onConnection: (socket: Socket) => void, tls?: TlsOptions): Promise<string> {
    const server = await RawServer.start(onConnection, tls);
    onTestFinished(() => server[Symbol.asyncDispose]());
    return server.host;
  }

  test.each([`https://${NAME}/a`, `http://${NAME}/a`])("that is down, for %s", async (to) => {
    expect(await failureAt("http://127.0.0.1:9", to)).toMatchObject({
      message: `Get "${to}": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused`,
      hint: expect.stringMatching(/^Check that the proxy 127\.0\.0\.1:9 is up, /),
      isTemporary: true,
      hasNeverAnswered: true,
    });
  });

  test("that speaks SOCKS and is down", async () => {
    expect(await failureAt("socks5://127.0.0.1:9")).toMatchObject({
      message: `Get "https://${NAME}/a": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused`,
      hint: expect.stringMatching(/^Check that the proxy 127\.0\.0\.1:9 is up, /),
    });
  });

  test("whose name is unknown", async () => {
    expect(await failureAt("http://nobody.invalid:3128")).toMatchObject({
      message: expect.stringMatching(/": proxyconnect tcp: dial tcp: lookup nobody\.invalid: /),
      hint: expect.stringMatching(/^Check the name of the proxy nobody\.invalid:3128 in HTTPS_PROXY /),
      isTemporary: true,
    });
  });

  test("whose certificate is not trusted", async () => {
    const host = await serve(() => undefined, new CertificateAuthority().issue("127.0.0.1"));
    expect(await failureAt(`https://${host}`)).toMatchObject({
      message: `Get "https://${NAME}/a": proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by unknown authority`,
      hint: expect.stringMatching(
        `^Add the CA of the proxy ${host} \\(CN=test authority \\w+\\) with SSL_CERT_FILE\\.`,
      ),
      isTemporary: false,
    });
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("that requires a client certificate in %s", async (version) => {
    const tls = { ...authority.issue("127.0.0.1"), requestCert: true, minVersion: version, maxVersion: version };
    const host = await serve(() => undefined, tls);
    const trust = { SSL_CERT_FILE: `${tempTree({ "ca.pem": authority.pem })}/ca.pem` };
    expect(await failureAt(`https://${host}`, undefined, trust)).toMatchObject({
      hint: expect.stringMatching(
        new RegExp(`^[AE].* the proxy ${host}.*(?:requires a client|clients without a) certificate`),
      ),
    });
  });

  test("that does not speak TLS", async () => {
    const host = await serve(
      (socket) => void socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
    );
    expect(await failureAt(`https://${host}`)).toMatchObject({
      message: `Get "https://${NAME}/a": proxyconnect tcp: tls: first record does not look like a TLS handshake`,
      hint: `The proxy ${host} does not speak TLS: write http:// instead of https:// in HTTPS_PROXY or HTTP_PROXY.`,
      isTemporary: false,
    });
  });

  test.each([
    "SSH-2.0-server\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX-A: \x01\r\n\r\n",
    "",
  ])("that answers CONNECT with %j", async (answer) => {
    const host = await serve((socket) => void socket.once("data", () => socket.end(answer)));
    expect(await failureAt(`http://${host}`)).toMatchObject({
      hint: expect.stringMatching(
        new RegExp(`^Check the proxy ${host} and its log: .* to ${NAME} .*; or name ${NAME} in NO_PROXY\\.$`),
      ),
      isTemporary: true,
      hasNeverAnswered: true,
    });
  });

  test.each([204, 302])("that answers CONNECT with %i refuses the connection", async (status) => {
    const host = await serve((socket) => void socket.once("data", () => socket.end(`HTTP/1.1 ${status} Odd\r\n\r\n`)));
    expect(await failureAt(`http://${host}`)).toMatchObject({
      message: expect.stringMatching(/: Odd$/),
      hint: expect.stringContaining(`The proxy ${host} answers ${status} to connections to ${NAME}`),
      isTemporary: false,
    });
  });
});

describe("a proxy is named that lets a request pass and then", () => {
  async function failureThrough(answer: (socket: Socket) => unknown, to: string): Promise<unknown> {
    await using proxy = await RawServer.start((socket) => {
      socket.once("data", () => {
        if (to.startsWith("http:")) return answer(socket);
        return socket.once("data", () => answer(socket)).write("HTTP/1.1 200 OK\r\n\r\n");
      });
    });
    const url = `http://me:secret-password@${proxy.host}`;
    const timeouts = { ...DEFAULT_TIMEOUTS, connectMs: 2000, stallMs: 100 };
    const http = new Http({ HTTPS_PROXY: url, HTTP_PROXY: url }, { timeouts });
    onTestFinished(() => http.close());
    const request = { ...get(to), headersTimeoutMs: 100 };
    const reading = http.exchange(request, false).then((response) => readAll(request, response, 1000));
    const error = await rejectionOf(reading);
    expect(error).toMatchObject({
      hint: expect.stringMatching(
        new RegExp(
          `^Check the proxy ${proxy.host} and its log, and that ${NAME} is healthy: .* name ${NAME} in NO_PROXY`,
        ),
      ),
    });
    return error;
  }

  const PAGE = "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n<html>";

  test.each([`https://${NAME}/a`, `http://${NAME}/a`])(
    "closes the connection, resets it or falls silent: %s",
    async (to) => {
      await failureThrough((socket) => socket.end(), to);
      await failureThrough((socket) => socket.resetAndDestroy(), to);
      await failureThrough(() => undefined, to);
    },
  );

  test("sends a page instead of TLS, or half a page", async () => {
    const error = await failureThrough((socket) => socket.end(PAGE), `https://${NAME}/a`);
    expect(error).toMatchObject({ hint: expect.stringContaining("does not speak https") });
    await failureThrough((socket) => socket.end(PAGE), `http://${NAME}/a`);
    await failureThrough((socket) => socket.write(PAGE), `http://${NAME}/a`);
  });
});

test("credentials that are invalid in a header are an error that does not show them", async () => {
  const { plain } = await servers();
  const request = { ...get(`http://${plain.host}/`), headers: { authorization: "Bearer s3cret\n" } };
  const error = await rejectionOf(client({}).exchange(request, false));
  expect(error).toMatchObject({
    message: `Get "http://${plain.host}/": net/http: invalid header field value for "Authorization"`,
    hint: expect.stringContaining(`Correct the credentials for ${plain.host}: `),
    isTemporary: false,
  });
});

test("a page in a proxy's response to CONNECT is dropped", async () => {
  const { proxy, trust } = await servers({ page: "<html>Connected</html>" });
  expect(await read(client({ HTTPS_PROXY: proxy.url, ...trust }), `https://${NAME}/`)).toBe("200 secure");
});

describe("a server with a certificate of a private CA", () => {
  test("is trusted only as an insecure registry", async () => {
    const { secure } = await servers();
    const error = await rejectionOf(read(client({}), `https://${secure.host}/`));
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
      ),
      hint: expect.stringMatching(/SSL_CERT_FILE/),
      isTemporary: false,
    });
    expect(await read(client({}), `https://${secure.host}/`, true)).toBe("200 secure");
  });

  test("is trusted with SSL_CERT_DIR, for the name in its certificate", async () => {
    const { secure, proxy } = await servers();
    const environment = { SSL_CERT_DIR: tempTree({ "any.name": authority.pem }) };
    expect(await read(client({ HTTPS_PROXY: proxy.url, ...environment }), `https://${NAME}/`)).toBe("200 secure");
    const error = await rejectionOf(read(client(environment), `https://${secure.host}/`));
    expect(String(error)).toMatch(
      /x509: cannot validate certificate for 127\.0\.0\.1 because it doesn't contain any IP SANs$/,
    );
  });
});

test("connections to a host are reused", async () => {
  await using registry = await FakeRegistry.start();
  const http = client({});
  for (let i = 0; i < 5; i++) await discard(await http.exchange(get(`http://${registry.host}/v2/`), false));
  // The second may begin before the client notices the end of the first.
  expect(registry.connections).toBeLessThanOrEqual(2);
  await Promise.all(Array.from({ length: 3 }, () => read(http, `http://${registry.host}/v2/`)));
  expect(registry.connections).toBeLessThanOrEqual(4);
  expect(registry.requests.every(({ headers }) => headers.connection === "keep-alive")).toBe(true);
});

test.each([1, 2])(
  "requests behind a connection limit share the only connection that opens, number %d",
  async (opened) => {
    const { secure } = await servers();
    await using limited = await RawServer.start((socket) => {
      if (limited.connections === opened)
        pipeline(socket, connect(Number(new URL(secure.origin).port)), socket).catch(() => undefined);
    });
    const http = client({});
    const body = {
      length: 4,
      open: async function* () {
        yield Buffer.from("data");
      },
    };
    const url = new URL(`https://${limited.host}/`);
    const requests: HttpRequest[] = [get(url.href), { ...get(url.href), method: "POST", body }, get(url.href)];
    await Promise.all(requests.map(async (request) => discard(await http.exchange(request, true))));
    expect(secure.requests.map((request) => `${request.method} ${request.body}`).toSorted()).toEqual([
      "GET ",
      "GET ",
      "POST data",
    ]);
  },
);

test("a front end that serves one connection at a time need not end it to serve the next", async () => {
  let served = Promise.resolve<unknown>(undefined);
  await using server = await RawServer.start((socket) => {
    const closed = once(socket, "close");
    void served.then(() => socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata")));
    served = Promise.all([served, closed]);
  });
  const http = client({});
  const requests = [1, 2, 3].map(() => read(http, `http://${server.host}/`));
  expect(await Promise.all(requests)).toEqual(["200 data", "200 data", "200 data"]);
});

test("a connection whose request was aborted while it opened serves the next request", async () => {
  const { secure } = await servers();
  const connected = Promise.withResolvers<void>();
  const mayOpen = Promise.withResolvers<void>();
  await using slow = await RawServer.start(async (socket) => {
    connected.resolve();
    await mayOpen.promise;
    pipeline(socket, connect(Number(new URL(secure.origin).port)), socket).catch(() => undefined);
  });
  const http = client({});
  const request = get(`https://${slow.host}/`);
  const stop = new AbortController();
  const stopped = rejectionOf(http.exchange({ ...request, signal: stop.signal }, true));
  await connected.promise;
  stop.abort(new Error("not needed"));
  expect(await stopped).toMatchObject({ message: "not needed" });
  const next = http.exchange(request, true);
  mayOpen.resolve();
  await discard(await next);
  expect(slow.connections).toBe(1);
});

describe("accepts the proxy URLs that Go accepts", () => {
  interface Form {
    readonly name: string;
    readonly urlOf: (host: string) => string;
    readonly login?: string;
  }
  const forms: readonly Form[] = [
    { name: "without a scheme", urlOf: (host) => host },
    { name: "without a scheme, with a login", urlOf: (host) => `me:word@${host}`, login: "me:word" },
    { name: "in upper case", urlOf: (host) => `HTTP://${host}` },
    { name: "with a path", urlOf: (host) => `http://${host}/` },
    {
      name: "with a percent sign that encodes nothing",
      urlOf: (host) => `http://me:100%@${host}`,
      login: "me:100%",
    },
    { name: "with an at sign in the password", urlOf: (host) => `http://me:a@b@${host}`, login: "me:a@b" },
    { name: "with an empty user", urlOf: (host) => `http://:word@${host}`, login: ":word" },
  ];
  test.each(forms)("$name", async ({ urlOf, login }) => {
    const { proxy, trust } = await servers(login === undefined ? {} : { login });
    const url = urlOf(proxy.host);
    const http = client({ HTTPS_PROXY: url, HTTP_PROXY: url, ...trust });
    expect(await read(http, `https://${NAME}/a`)).toBe("200 secure");
    expect(await read(http, `http://${NAME}/a`)).toBe("200 plain");
    expect(proxy.passed).toEqual([`CONNECT ${NAME}:443`, `GET http://${NAME}/a`]);
  });

  test.each([["127.0.0.1"], ["localhost"]])("https, at %s", async (host) => {
    const { proxy, trust } = await servers();
    // A TLS server in front of the proxy.
    const outer = await RawServer.start(
      (socket) => {
        const inner = connect(Number(proxy.host.split(":")[1]), "127.0.0.1");
        inner.on("error", () => socket.destroy());
        socket.pipe(inner).pipe(socket);
      },
      authority.issue("127.0.0.1", "localhost"),
    );
    onTestFinished(() => outer[Symbol.asyncDispose]());
    const url = `https://${host}:${outer.port}`;
    const http = client({ HTTPS_PROXY: url, HTTP_PROXY: url, ...trust });
    expect(await read(http, `https://${NAME}/a`)).toBe("200 secure");
    expect(await read(http, `http://${NAME}/a`)).toBe("200 plain");
    expect(proxy.passed).toEqual([`CONNECT ${NAME}:443`, `GET http://${NAME}/a`]);
  });

  test.each([
    ["socks5", undefined],
    ["socks5h", undefined],
    ["socks5", "me:word"],
  ])("%s, with the login %s", async (scheme, login) => {
    const { secure, plain, trust } = await servers();
    const routes = {
      [`${NAME}:443`]: secure.host,
      [`${NAME}:80`]: plain.host,
      "10.1.2.3:80": plain.host,
      "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9:80": plain.host,
    };
    const { server, host, passed } = await startSocksProxy({ routes, ...(login === undefined ? {} : { login }) });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const url = `${scheme}://${login === undefined ? "" : `${login}@`}${host}`;
    const http = client({ HTTPS_PROXY: url, HTTP_PROXY: url, ...trust });
    expect(await read(http, `https://${NAME}/a`)).toBe("200 secure");
    for (const plainHost of [NAME, "10.1.2.3", "[::9]"])
      expect(await read(http, `http://${plainHost}/`)).toBe("200 plain");
    expect(passed).toEqual(Object.keys(routes));
  });
});

describe("a proxy's refusal is an error with a hint", () => {
  test.each([
    [403, "Forbidden", false],
    [502, "Bad Gateway", true],
    [503, "Service Unavailable", true],
  ])("%i", async (status, text, isTemporary) => {
    const server = await RawServer.answering(`HTTP/1.1 ${status} ${text}\r\nContent-Length: 0\r\n\r\n`);
    onTestFinished(() => server[Symbol.asyncDispose]());
    expect(await rejectionOf(read(client({ HTTPS_PROXY: server.host }), `https://${NAME}/a`))).toMatchObject({
      message: `Get "https://server.example/a": ${text}`,
      hint: `The proxy ${server.host} answers ${status} to connections to server.example: allow them there, or name server.example in NO_PROXY.`,
      isTemporary,
    });
  });

  test.each([
    ["", ["Basic realm=x"], /^Give the user and password of the proxy [\d.:]+ in HTTPS_PROXY/],
    ["", [], /^Give the user and password of the proxy/],
    [
      "me:right@",
      ['Digest realm="a, basic", nonce=b', "NTLM"],
      /^The proxy [\d.:]+ requires a login by Digest or NTLM, /,
    ],
    ["me:right@", ["Negotiate, NTLM"], / requires a login by Negotiate or NTLM, /],
    ["me:right@", ["Negotiate TlRM==, basic realm=x"], /^The proxy [\d.:]+ rejects the user or password/],
  ])("407 with the login %j to the challenges %j", async (login, challenges, hint) => {
    const fields = challenges.map((challenge) => `Proxy-Authenticate: ${challenge}\r\n`).join("");
    const server = await RawServer.answering(
      `HTTP/1.1 407 Proxy Authentication Required\r\n${fields}Content-Length: 0\r\n\r\n`,
    );
    onTestFinished(() => server[Symbol.asyncDispose]());
    const http = client({ HTTPS_PROXY: `http://${login}${server.host}` });
    expect(await rejectionOf(read(http, `https://${NAME}/a`))).toMatchObject({
      message: 'Get "https://server.example/a": Proxy Authentication Required',
      hint: expect.stringMatching(hint),
      isTemporary: false,
    });
  });

  test("407 with a text of megabytes that never ends is read at once", async () => {
    const challenge = `NTLM, Digest realm="${'\\"'.repeat(2 << 20)}\\`;
    const server = await RawServer.answering(
      `HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`,
    );
    onTestFinished(() => server[Symbol.asyncDispose]());
    expect(await rejectionOf(read(client({ HTTPS_PROXY: server.host }), `https://${NAME}/a`))).toMatchObject({
      hint: expect.stringContaining(" requires a login by NTLM or Digest, "),
    });
  });

  test("of SOCKS", async () => {
    const { server, host } = await startSocksProxy({ routes: {}, login: "me:right" });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const failure = (login: string) =>
      rejectionOf(read(client({ HTTPS_PROXY: `socks5://${login}${host}` }), `https://${NAME}/a`));
    const prefix = `Get "https://server.example/a": socks connect tcp ${host}->server.example:443: `;
    expect(await failure("me:right@")).toMatchObject({
      message: `${prefix}connection not allowed by ruleset`,
      isTemporary: false,
    });
    expect(await failure("me:wrong@")).toMatchObject({
      message: `${prefix}username/password authentication failed`,
      hint: expect.stringContaining(`The proxy ${host} rejects the user or password`),
    });
    expect(await failure("")).toMatchObject({
      message: `${prefix}no acceptable authentication methods`,
      hint: `Give the user and password of the proxy ${host} in HTTPS_PROXY and HTTP_PROXY, after the scheme: user:password@${host}.`,
    });
  });

  test.each([
    [407, "a server without a proxy", false],
    [403, "a server behind a proxy", true],
  ])("unlike status %i of %s", async (status, _, isProxied) => {
    const server = await RawServer.answering(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    onTestFinished(() => server[Symbol.asyncDispose]());
    const request = get(isProxied ? `http://${NAME}/a` : `http://${server.host}/a`);
    const http = client(isProxied ? { HTTP_PROXY: server.host } : {});
    const error = await rejectionOf(ensureStatus(request, await http.exchange(request, false), [200]));
    expect(error).toMatchObject({ status });
    expect(error).not.toMatchObject({ hint: expect.stringContaining(`proxy ${server.host}`) });
  });

  test("does not retry a server that does not speak SOCKS", async () => {
    const server = await RawServer.start((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const url = `socks5://${server.host}`;
    expect(await rejectionOf(read(client({ HTTPS_PROXY: url }), `https://${NAME}/a`))).toMatchObject({
      message: expect.stringMatching(/: socks connect tcp \S+->server\.example:443: unexpected protocol version$/),
      isTemporary: false,
    });
  });

  test.each<[number[], string]>([
    [[4, 0, 0, 1], "unexpected protocol version"],
    [[5, 0, 1, 1], "non-zero reserved field"],
    [[5, 0, 0, 9], "unknown address type 9"],
  ])("does not retry a proxy whose SOCKS reply begins with %j", async (reply, flaw) => {
    const server = await RawServer.start((socket) => {
      socket.once("data", () => socket.write(Buffer.of(5, 0, ...reply, 0, 0, 0, 0, 0, 0)));
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const url = `socks5://${server.host}`;
    expect(await rejectionOf(read(client({ HTTPS_PROXY: url }), `https://${NAME}/a`))).toMatchObject({
      message: `Get "https://${NAME}/a": socks connect tcp ${server.host}->${NAME}:443: ${flaw}`,
      isTemporary: false,
    });
  });

  test.each([
    ["TLS", Buffer.of(0x15, 3, 1, 0, 2, 2, 0x46)],
    ["HTTP/2", Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)],
    ["SSH", Buffer.from("SSH-2.0-OpenSSH_9\r\n")],
  ])("names a proxy that answers CONNECT in %s", async (_, answer) => {
    const server = await RawServer.answering(answer);
    onTestFinished(() => server[Symbol.asyncDispose]());
    expect(await rejectionOf(read(client({ HTTPS_PROXY: server.host }), `https://${NAME}/a`))).toMatchObject({
      message: `Get "https://${NAME}/a": malformed HTTP response`,
      hint: expect.stringContaining(`Check the proxy ${server.host} and its log: `),
    });
  });

  test.each([
    ["http", () => ""],
    ["socks5", (host: string) => `socks connect tcp ${host}->${NAME}:443: `],
  ])("retries a proxy that closes the connection (%s)", async (scheme, prefix) => {
    const server = await RawServer.start((socket) => socket.once("data", () => socket.end()));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const url = `${scheme}://${server.host}`;
    expect(await rejectionOf(read(client({ HTTPS_PROXY: url }), `https://${NAME}/a`))).toMatchObject({
      message: expect.stringContaining(`Get "https://${NAME}/a": ${prefix(server.host)}`),
      hint: expect.stringContaining(`Check the proxy ${server.host} and its log: `),
      isTemporary: true,
    });
  });
});
