import { describe, expect, onTestFinished, test } from "vitest";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { discard, readAll } from "../../../src/http/body.ts";
import { Http, type HttpRequest } from "../../../src/http/http.ts";
import { CertificateAuthority } from "../../support/certificate.ts";
import { ConnectProxy, type ProxyOptions } from "../../support/connect-proxy.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { ScriptedServer } from "../../support/scripted-server.ts";
import { tempTree } from "../../support/temp-tree.ts";
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

describe.for([{ login: undefined }, { login: "me:pass%40word-of-mine" }, { login: "only-me:" }])(
  "a proxy with the login $login",
  ({ login }) => {
    const options = login === undefined ? {} : { login: decodeURIComponent(login) };
    const urlOf = ({ host }: ConnectProxy) => `http://${login === undefined ? "" : `${login}@`}${host}`;

    test("tunnels https, and passes http on", async () => {
      const { proxy, trust } = await servers(options);
      const http = client({ HTTPS_PROXY: urlOf(proxy), HTTP_PROXY: urlOf(proxy), ...trust });
      expect(await read(http, `https://${NAME}/a`)).toBe("200 secure");
      expect(await read(http, `http://${NAME}/a`)).toBe("200 plain");
      expect(proxy.passed).toEqual([`CONNECT ${NAME}:443`, `GET http://${NAME}/a`]);
      expect(proxy.refused).toBe(0);
    });

    test("is not asked for what NO_PROXY names, nor for this machine, nor for insecure registries", async () => {
      const { plain, proxy } = await servers(options);
      const http = client({ HTTP_PROXY: urlOf(proxy), NO_PROXY: "server.example" });
      expect(await read(http, plain.origin)).toBe("200 plain");
      await rejectionOf(read(http, `http://${NAME}/`));
      await rejectionOf(read(client({ HTTP_PROXY: urlOf(proxy) }), `http://${NAME}/`, true));
      expect(proxy.passed).toEqual([]);
    });
  },
);

test("a proxy that wants another login is an error that tells no password", async () => {
  const { proxy, trust } = await servers({ login: "me:right" });
  const url = `http://me:wrong-password@${proxy.host}`;
  const error = await rejectionOf(read(client({ HTTPS_PROXY: url, ...trust }), `https://${NAME}/a`));
  expect(String(error)).toMatch(/Get "https:\/\/server\.example\/a": .*407/);
  expect(String(error)).not.toContain("wrong-password");
  expect(withoutSecrets("wrong-password")).toBe("[redacted]");
  const plain = await rejectionOf(read(client({ HTTP_PROXY: url }), `http://${NAME}/a`));
  expect(String(plain)).toMatch(/Get "http:\/\/server\.example\/a": Proxy Authentication Required \(407\)$/);
});

test("a proxy that is not there is an error that names it", async () => {
  const http = client({ HTTPS_PROXY: "http://me:secret-password@127.0.0.1:9" });
  const error = await rejectionOf(read(http, `https://${NAME}/a`));
  expect(error).toMatchObject({ isTemporary: true });
  expect(String(error)).toMatch(/127\.0\.0\.1:9: connect: connection refused$/);
  expect(String(error)).not.toContain("secret-password");
});

describe("a server whose certificate is of an authority of one's own", () => {
  test("is not trusted, unless it is insecure", async () => {
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

  test("is trusted with SSL_CERT_DIR, for the name that it has", async () => {
    const { secure, proxy } = await servers();
    const environment = { SSL_CERT_DIR: tempTree({ "any.name": authority.pem }) };
    expect(await read(client({ HTTPS_PROXY: proxy.url, ...environment }), `https://${NAME}/`)).toBe("200 secure");
    const error = await rejectionOf(read(client(environment), `https://${secure.host}/`));
    expect(String(error)).toMatch(/does not match certificate's altnames/);
  });
});

test("a host is spoken to over connections that are kept", async () => {
  await using registry = await FakeRegistry.start();
  const http = client({});
  for (let i = 0; i < 5; i++) await discard(await http.exchange(get(`http://${registry.host}/v2/`), false));
  // The second may begin before the first's end was noticed.
  expect(registry.connections).toBeLessThanOrEqual(2);
  await Promise.all(Array.from({ length: 3 }, () => read(http, `http://${registry.host}/v2/`)));
  expect(registry.connections).toBeLessThanOrEqual(4);
  expect(registry.requests.every(({ headers }) => headers.connection === "keep-alive")).toBe(true);
});
