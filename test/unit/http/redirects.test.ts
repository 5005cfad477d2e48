import { describe, expect, onTestFinished, test } from "vitest";
import { Credentials } from "../../../src/auth/credentials.ts";
import { RegistryClient } from "../../../src/destinations/registry/client.ts";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { Http } from "../../../src/http/http.ts";
import { refusePrivate } from "../../../src/http/redirects.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { CertificateAuthority } from "../../support/network/certificate.ts";
import { ConnectProxy } from "../../support/network/connect-proxy.ts";
import { type ReceivedRequest, type ScriptedReply, ScriptedServer } from "../../support/network/scripted-server.ts";
import { rejectionOf, thrownBy } from "../../support/thrown-by.ts";

const JANE = new Credentials({ username: "jane", password: "s3cret" });
const BASIC = `Basic ${Buffer.from("jane:s3cret").toString("base64")}`;
const HOSTS = ["reg.example", "cdn.example"];

/**
 * `https://reg.example` and `https://cdn.example` on one server, and `http://cdn.example`, which accepts everything.
 * @param answer to all but `/v2/`
 */
async function open(
  answer: (request: ReceivedRequest) => ScriptedReply,
  credentials = JANE,
  ping: ScriptedReply = { body: "" },
) {
  const authority = new CertificateAuthority();
  const server = await ScriptedServer.start(
    (request) => (request.url.pathname === "/v2/" ? ping : answer(request)),
    authority.issue(...HOSTS),
  );
  const plain = await ScriptedServer.start(() => ({ body: { token: "t" } }));
  const routes = Object.fromEntries(HOSTS.map((host) => [`${host}:443`, server.host]));
  const proxy = await ConnectProxy.start({ routes: { ...routes, "cdn.example:80": plain.host } });
  const http = new Http({
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
    SSL_CERT_FILE: `${tempTree({ "ca.pem": authority.pem })}/ca.pem`,
  });
  onTestFinished(async () => {
    await http.close();
    for (const running of [proxy, server, plain]) await running[Symbol.asyncDispose]();
  });
  const client = new RegistryClient({ http, registry: "reg.example", isInsecure: false }, () => credentials);
  const get = (method: "GET" | "PATCH" = "GET") =>
    client.send({ method, target: "/v2/a/blobs/b", scopes: [], expected: [200], priority: 0 });
  const seen = () =>
    server.requests.slice(1).map(({ url, headers }) => `${headers.host}${url.pathname} ${headers.authorization}`);
  return { get, seen, proxy };
}

const to = (location: string, status = 307): ScriptedReply => ({ status, headers: { location }, body: "" });

describe("credentials", () => {
  test("are sent in UTF-8", async () => {
    const { get, seen } = await open(() => ({ body: "" }), new Credentials({ registryToken: "tök語n" }));
    await get();
    const token = Buffer.from("tök語n").toString("latin1");
    expect(seen()).toEqual([`reg.example/v2/a/blobs/b Bearer ${token}`]);
  });

  test("are sent on the registry's own host only", async () => {
    const { get, seen } = await open(({ url, headers }) => {
      if (headers.host === "cdn.example") return { body: "" };
      return to(url.pathname === "/moved" ? "https://cdn.example/blob?sig=secret" : "/moved");
    });
    await get();
    expect(seen()).toEqual([
      `reg.example/v2/a/blobs/b ${BASIC}`,
      `reg.example/moved ${BASIC}`,
      "cdn.example/blob undefined",
    ]);
  });

  test("are those in the URL on another host, which no message shows, and the registry's own on its host", async () => {
    const { get, seen } = await open(({ url }) => {
      if (url.pathname === "/blob") return { body: "" };
      return to(`https://me:p%40ssword@${url.pathname === "/moved" ? "cdn.example/blob" : "reg.example/moved"}`);
    });
    await get();
    const login = Buffer.from("me:p@ssword").toString("base64");
    expect(seen().slice(1)).toEqual([`reg.example/moved ${BASIC}`, `cdn.example/blob Basic ${login}`]);
    expect(withoutSecrets(`p@ssword ${login}`)).toBe("[redacted] [redacted]");
  });

  test("are sent when another host redirects back", async () => {
    const { get, seen } = await open(({ url, headers }) => {
      if (url.pathname === "/back") return { body: "" };
      return to(headers.host === "cdn.example" ? "https://reg.example/back" : "https://cdn.example/blob");
    });
    await get();
    expect(seen().slice(1)).toEqual(["cdn.example/blob undefined", `reg.example/back ${BASIC}`]);
  });

  test("are not sent in the clear: http on the registry's host becomes https", async () => {
    const { get, seen, proxy } = await open(({ url }) =>
      url.pathname === "/moved" ? { body: "" } : to("http://reg.example/moved"),
    );
    await get();
    expect(seen()).toEqual([`reg.example/v2/a/blobs/b ${BASIC}`, `reg.example/moved ${BASIC}`]);
    expect(new Set(proxy.passed)).toEqual(new Set(["CONNECT reg.example:443"]));
  });
});

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308])("with %d is followed for reads", async (status) => {
    const { get } = await open(({ url }) => (url.pathname === "/moved" ? { body: "" } : to("/moved", status)));
    expect((await get()).url.href).toBe("https://reg.example/moved");
  });

  test.each([301, 302, 303])("with %d is not followed for uploads", async (status) => {
    const { get, seen } = await open(() => to("/moved", status));
    expect(await rejectionOf(get("PATCH"))).toMatchObject({ status });
    expect(seen()).toHaveLength(1);
  });

  test("loop ends", async () => {
    const { get, seen } = await open(() => to("/round"));
    expect(String(await rejectionOf(get()))).toMatch(
      "GET https://reg.example/v2/a/blobs/b: stopped after 10 redirects",
    );
    expect(seen()).toHaveLength(11);
  });

  test.each(["file:///etc/passwd", "https://", "gopher://cdn.example/"])("to %s is rejected", async (location) => {
    const { get, seen } = await open(() => to(location));
    expect(String(await rejectionOf(get()))).toMatch("redirect to an invalid URL");
    expect(seen()).toHaveLength(1);
  });

  test.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1:9/",
    "http://localhost:9/",
    "http://metadata.google.internal/",
    "https://10.0.0.1/",
    "http://[::1]:9/",
    "http://[fd00:ec2::254]/",
    "http://2852039166/",
  ])("to %s is rejected, even after another one", async (location) => {
    const { get, proxy } = await open(({ headers }) =>
      to(headers.host === "cdn.example" ? location : "https://cdn.example/blob"),
    );
    expect(String(await rejectionOf(get()))).toMatch(
      /SSRF protection: redirect from "reg\.example" to private\/link-local host ".*" denied/,
    );
    expect(proxy.passed.every((line) => line.startsWith("CONNECT"))).toBe(true);
  });
});

describe("a redirect of the ping", () => {
  test("to http does not make the registry one without TLS, which would get credentials in the clear", async () => {
    const { get, seen } = await open(() => ({ body: "" }), JANE, to("http://cdn.example/v2/"));
    await get();
    expect(seen()).toEqual([`reg.example/v2/a/blobs/b ${BASIC}`]);
  });

  test("to a private address is rejected", async () => {
    const { get } = await open(() => ({ body: "" }), JANE, to("http://127.0.0.1:9/v2/"));
    expect(await rejectionOf(get())).toMatchObject({ code: "EXPORT_REGISTRY_REDIRECT" });
  });
});

describe("a redirect of the token server", () => {
  const openAt = (location: string) =>
    open(
      ({ url, headers }) =>
        url.pathname === "/token" && headers.host === "reg.example" ? to(location) : { body: { token: "t" } },
      JANE,
      { status: 401, headers: { "www-authenticate": 'Bearer realm="https://reg.example/token"' }, body: "" },
    );

  test.each([
    ["https://reg.example/other", BASIC],
    ["https://cdn.example/token", undefined],
  ])("to %s is followed with the authorization %s", async (location, authorization) => {
    const { get, seen } = await openAt(location);
    await get();
    expect(seen()).toEqual([
      `reg.example/token ${BASIC}`,
      `${location.replace("https://", "")} ${authorization}`,
      "reg.example/v2/a/blobs/b Bearer t",
    ]);
  });

  test.each(["http://cdn.example/token", "https://127.0.0.1:9/token"])("to %s is rejected", async (location) => {
    const { get } = await openAt(location);
    expect(await rejectionOf(get())).toMatchObject({ code: "EXPORT_AUTH_REALM" });
  });
});

test.each([
  ["https://10.0.0.5/v2/", "https://10.0.0.5:9000/store", true],
  ["https://10.0.0.5/v2/", "https://10.0.0.6/store", false],
  ["http://127.0.0.1:5000/", "http://localhost:5001/", true],
  ["http://localhost:5000/", "http://store.localhost:5001/", true],
  ["https://reg.localhost/", "https://store.localhost/", true],
  ["http://127.0.0.1:5000/", "http://localhost.:5001/", true],
  ["http://localhost:5000/", "http://127.0.0.1:5001/", false],
  ["https://reg.example/", "http://store.localhost:5001/", false],
  ["https://reg.example/", "http://localhost:5001/", false],
  ["https://reg.example/", "https://minio.corp.internal/", true],
])("from %s to %s: %s", (from, target, isAllowed) => {
  const check = () => refusePrivate("redirect", new URL(from), new URL(target));
  if (isAllowed) check();
  else expect(thrownBy(check)).toMatchObject({ code: "EXPORT_REGISTRY_REDIRECT" });
});
