import { globalAgent } from "node:https";
import tls from "node:tls";
import { getGlobalDispatcher, Agent as HttpAgent, setGlobalDispatcher } from "undici";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { DockerClient } from "../../../src/docker/client.ts";
import { readAll } from "../../../src/http/body.ts";
import { Http, type HttpRequest } from "../../../src/http/http.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { ConnectProxy } from "../../support/network/connect-proxy.ts";
import { ScriptedServer } from "../../support/network/scripted-server.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const authority = new CertificateAuthority();
const certificate = authority.issue("server.example", "localhost", "127.0.0.1");

/** A server whose authority only the process trusts, through settings of a host program or the environment. */
async function startServer(): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(() => ({ body: "secure" }), certificate);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function get(url: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const http = new Http(environment);
  onTestFinished(() => http.close());
  const request: HttpRequest = { method: "GET", url: new URL(url), headersTimeoutMs: 5_000 };
  return String(await readAll(request, await http.exchange(request, false), 1000));
}

/** Settings that make Node's own clients accept any certificate, or this authority's; each is undone after the test. */
const TRUSTING: Readonly<Record<string, () => void>> = {
  "NODE_TLS_REJECT_UNAUTHORIZED=0"() {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    onTestFinished(() => void vi.unstubAllEnvs());
  },
  "tls.setDefaultCACertificates"() {
    const before = tls.getCACertificates("default");
    tls.setDefaultCACertificates([authority.pem]);
    onTestFinished(() => tls.setDefaultCACertificates(before));
  },
  "https.globalAgent"() {
    const { rejectUnauthorized } = globalAgent.options;
    globalAgent.options.rejectUnauthorized = false;
    onTestFinished(() => void Object.assign(globalAgent.options, { rejectUnauthorized }));
  },
  "undici.setGlobalDispatcher"() {
    const before = getGlobalDispatcher();
    setGlobalDispatcher(new HttpAgent({ connect: { rejectUnauthorized: false } }));
    onTestFinished(() => setGlobalDispatcher(before));
  },
};

const UNKNOWN_AUTHORITY = /tls: failed to verify certificate: x509: certificate signed by unknown authority$/;

describe.each(Object.entries(TRUSTING))("with %s an unknown authority is rejected", (_name, trust) => {
  test("by registries and token services", async () => {
    trust();
    const { host } = await startServer();
    expect(String(await rejectionOf(get(`https://${host}/`)))).toMatch(UNKNOWN_AUTHORITY);
  });

  test("through a proxy", async () => {
    trust();
    const { host } = await startServer();
    const proxy = await ConnectProxy.start({ routes: { "server.example:443": host } });
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const error = await rejectionOf(get("https://server.example/", { HTTPS_PROXY: proxy.url }));
    expect(String(error)).toMatch(UNKNOWN_AUTHORITY);
    expect(proxy.passed).toEqual(["CONNECT server.example:443"]);
  });

  test("as a proxy", async () => {
    trust();
    const { host } = await startServer();
    const error = await rejectionOf(
      get("https://server.example/", { HTTPS_PROXY: `https://${host.replace("127.0.0.1", "localhost")}` }),
    );
    expect(String(error)).toMatch(UNKNOWN_AUTHORITY);
  });

  test("by a docker daemon", async () => {
    trust();
    const { host } = await startServer();
    const docker = await DockerClient.connect({ DOCKER_HOST: `https://${host}` });
    onTestFinished(() => docker[Symbol.asyncDispose]());
    const error = await rejectionOf(docker.version(new AbortController().signal));
    expect(String(error)).toMatch(/certificate/);
  });
});

test("ignores the TLS versions and ciphers that the program sets globally", async () => {
  const before = [tls.DEFAULT_MAX_VERSION, tls.DEFAULT_CIPHERS] as const;
  onTestFinished(() => {
    [tls.DEFAULT_MAX_VERSION, tls.DEFAULT_CIPHERS] = before;
  });
  const server = tls.createServer({ ...certificate, minVersion: "TLSv1.3", ciphers: "TLS_AES_128_GCM_SHA256" });
  const secure = Promise.withResolvers<string | null>();
  server.on("secureConnection", (socket) => {
    secure.resolve(socket.getProtocol());
    socket.destroy();
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  [tls.DEFAULT_MAX_VERSION, tls.DEFAULT_CIPHERS] = ["TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"];
  const http = new Http({});
  onTestFinished(() => http.close());
  const url = new URL(`https://127.0.0.1:${port}/`);
  await rejectionOf(http.exchange({ method: "GET", url, headersTimeoutMs: 5_000 }, true));
  expect(await secure.promise).toBe("TLSv1.3");
});
