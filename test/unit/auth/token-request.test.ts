import { describe, expect, onTestFinished, test } from "vitest";
import { Credentials } from "../../../src/auth/credentials.ts";
import { requestToken } from "../../../src/auth/token-request.ts";
import { TokenStore } from "../../../src/auth/token-store.ts";
import { DEFAULT_TIMEOUTS, Http } from "../../../src/http/http.ts";
import { RawServer } from "../../support/network/raw-server.ts";
import { type ReceivedRequest, type ScriptedReply, ScriptedServer } from "../../support/network/scripted-server.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const SCOPES = ["repository:a:push,pull", "repository:b:pull"];
const JANE = new Credentials({ username: "jane", password: "s3cret" });
const ROBOT = new Credentials({ identityToken: "refresh-1" });
const BASIC = `Basic ${Buffer.from("jane:s3cret").toString("base64")}`;
const GIVEN: ScriptedReply = { body: { token: "t" } };

async function startServer(
  answer: (request: ReceivedRequest) => ScriptedReply,
  parameters: Record<string, string> = {},
) {
  const scripted = await ScriptedServer.start(answer);
  const http = new Http({});
  onTestFinished(async () => {
    await http.close();
    await scripted[Symbol.asyncDispose]();
  });
  const challenge = { scheme: "bearer", parameters: { realm: `${scripted.origin}/token?own=1`, ...parameters } };
  return {
    scripted,
    server: { http, registry: scripted.host, scheme: "http:", isInsecure: false, challenge } as const,
  };
}

test("a silent token server times out after the timeout of a response, which the retry budget bounds", async () => {
  const silent = await RawServer.start(() => undefined);
  const http = new Http({}, { timeouts: { ...DEFAULT_TIMEOUTS, responseMs: 50 } });
  onTestFinished(async () => {
    await http.close();
    await silent[Symbol.asyncDispose]();
  });
  const challenge = { scheme: "bearer", parameters: { realm: `http://${silent.host}/token` } };
  const server = { http, registry: silent.host, scheme: "http:", isInsecure: false, challenge } as const;
  for (const credentials of [JANE, ROBOT])
    expect(await rejectionOf(requestToken(server, credentials, SCOPES))).toMatchObject({
      message: expect.stringMatching(/: timeout awaiting response headers$/),
      silentMs: 50,
    });
});

const shown = ({ method, url, body }: ReceivedRequest) => `${method} ${url.search} ${body}`;

describe("requests a token", () => {
  test("by GET with user and password, one parameter per scope, and an empty service if none is given", async () => {
    const { scripted, server } = await startServer(() => GIVEN);
    await requestToken(server, JANE, SCOPES);
    expect(scripted.requests.map(shown)).toEqual([
      "GET ?own=1&scope=repository%3Aa%3Apush%2Cpull&scope=repository%3Ab%3Apull&service= ",
    ]);
    expect(scripted.requests[0]?.headers.authorization).toBe(BASIC);
  });

  test("by POST with an identity token and all scopes in one parameter", async () => {
    const { scripted, server } = await startServer(() => GIVEN, { service: "s" });
    await requestToken(server, ROBOT, SCOPES);
    expect(scripted.requests.map(shown)).toEqual([
      "POST ?own=1 scope=repository%3Aa%3Apush%2Cpull+repository%3Ab%3Apull&service=s&client_id=go-containerregistry&grant_type=refresh_token&refresh_token=refresh-1",
    ]);
  });

  test.each([404, 405, 501])("by GET if POST is answered with %d", async (status) => {
    const { scripted, server } = await startServer(({ method }) => (method === "GET" ? GIVEN : { status, body: "" }));
    expect(await requestToken(server, ROBOT, SCOPES)).toMatchObject({ token: "t" });
    expect(scripted.requests.map(({ method }) => method)).toEqual(["POST", "GET"]);
  });

  test.each([404, 405, 501])("by POST if GET is answered with %d", async (status) => {
    const { scripted, server } = await startServer(({ method }) => (method === "POST" ? GIVEN : { status, body: "" }));
    const raw = new Credentials({ auth: Buffer.from("jane:s3:cret").toString("base64") });
    expect(await requestToken(server, raw, SCOPES)).toMatchObject({ token: "t" });
    const form = new URLSearchParams(scripted.requests[1]?.body);
    expect(Object.fromEntries(form)).toMatchObject({ grant_type: "password", username: "jane", password: "s3:cret" });
  });

  test.each([201, 202, 203])("and accepts an answer with %d", async (status) => {
    const { server } = await startServer(() => ({ ...GIVEN, status }));
    expect(await requestToken(server, JANE, SCOPES)).toMatchObject({ token: "t" });
  });

  test("not by POST without credentials, and not again if neither method is supported", async () => {
    const { scripted, server } = await startServer(() => ({ status: 404, body: "" }));
    expect(await rejectionOf(requestToken(server, new Credentials({}), SCOPES))).toMatchObject({ status: 404 });
    expect(await rejectionOf(requestToken(server, JANE, SCOPES))).toMatchObject({
      status: 404,
      message: expect.stringContaining("GET http"),
    });
    expect(scripted.requests.map(({ method }) => method)).toEqual(["GET", "GET", "POST"]);
  });
});

describe("the lifetime of a token is", () => {
  const NOW = "Tue, 24 Nov 2026 12:00:00 GMT";
  test.each<[string, object, Record<string, string>, number]>([
    ["as declared", { expires_in: 300 }, {}, 300],
    ["as declared in a string", { expires_in: "300" }, {}, 300],
    ["60 s if none is declared", {}, {}, 60],
    ["60 s if 0 is declared", { expires_in: 0 }, {}, 60],
    ["60 s if an invalid one is declared", { expires_in: -5 }, {}, 60],
    ["less if the server had it in store", { expires_in: 300, issued_at: "2026-11-24T11:58:00Z" }, { date: NOW }, 180],
    ["nothing if it has ended", { expires_in: 60, issued_at: "2026-11-24T11:00:00Z" }, { date: NOW }, 0],
    ["all of it if it is from the future", { expires_in: 300, issued_at: "2026-11-24T12:10:00Z" }, { date: NOW }, 300],
    ["all of it by a date that is none", { expires_in: 300, issued_at: "yesterday" }, { date: NOW }, 300],
  ])("%s", async (_what, members, headers, seconds) => {
    const { server } = await startServer(() => ({ headers, body: { token: "t", ...members } }));
    expect(await requestToken(server, JANE, SCOPES)).toMatchObject({ lifetimeMs: seconds * 1000 });
  });
});

test.each<[string, object, string]>([
  ["access_token before token", { token: "a", access_token: "b" }, "b"],
  ["token", { token: "a", access_token: "" }, "a"],
  ["access_token beside a token that is null", { token: null, access_token: "b", issued_at: null, more: [] }, "b"],
  ["names in any case", { Token: "a", EXPIRES_IN: "300" }, "a"],
])("takes %s", async (_what, body, token) => {
  const { server } = await startServer(() => ({ body }));
  expect(await requestToken(server, JANE, SCOPES)).toMatchObject({ token });
});

test.each([[{ secret: "s3cret-token" }], ["s3cret-token"], [""]])(
  "an answer without a token is not shown: %j",
  async (body) => {
    const { server } = await startServer(() => ({ body }));
    const error = await rejectionOf(requestToken(server, JANE, SCOPES));
    expect(String(error)).toMatch(/no token in bearer response from 127\.0\.0\.1:\d+(: not JSON: [a-zA-Z0-9 ]+)?$/);
  },
);

describe("refused credentials", () => {
  const refused: ScriptedReply = { status: 401, body: { errors: [{ code: "UNAUTHORIZED", message: "no" }] } };
  const asked = ({ body, headers }: ReceivedRequest) =>
    new URLSearchParams(body).get("refresh_token") ?? headers.authorization;

  test("are renewed at their origin", async () => {
    const { scripted, server } = await startServer((request) => (asked(request) === "refresh-2" ? GIVEN : refused));
    const renew = async () => new Credentials({ identityToken: "refresh-2" });
    const old = new Credentials({ identityToken: "refresh-1" }, { renew, isAmbient: false });
    const store = new TokenStore(server, old);
    expect(await store.get(SCOPES)).toBe("t");
    expect(await store.get(["repository:c:pull"])).toBe("t");
    expect(scripted.requests.map(asked)).toEqual(["refresh-1", "refresh-2", "refresh-2"]);
  });

  test("are replaced by the user's if the server issued them", async () => {
    let isOver = false;
    const { scripted, server } = await startServer((request) => {
      if (asked(request) === "theirs") return isOver ? { status: 400, body: { error: "invalid_grant" } } : GIVEN;
      return { body: { token: "t", refresh_token: "theirs" } };
    });
    const store = new TokenStore(server, JANE);
    for (const scope of ["a", "b"]) await store.get([scope]);
    isOver = true;
    expect(await store.get(["c"])).toBe("t");
    expect(scripted.requests.map(asked)).toEqual([BASIC, "theirs", "theirs", BASIC]);
  });

  test("fail with the registry's message if they cannot be renewed", async () => {
    const { scripted, server } = await startServer(() => refused);
    const error = await rejectionOf(new TokenStore(server, JANE).get(SCOPES));
    expect(error).toMatchObject({ status: 401, message: expect.stringContaining("UNAUTHORIZED: no") });
    expect(scripted.requests).toHaveLength(1);
  });

  test("of the machine fall back to anonymous pulls", async () => {
    const { scripted, server } = await startServer((request) => (asked(request) === undefined ? GIVEN : refused));
    const renew = () => Promise.reject(new Error("no other"));
    const store = new TokenStore(server, JANE.withOrigin({ renew, isAmbient: true }));
    expect(await store.get(["repository:public:pull"])).toBe("t");
    expect(await rejectionOf(store.get(SCOPES))).toMatchObject({ status: 401 });
    expect(scripted.requests.map(asked)).toEqual([BASIC, undefined, BASIC]);
  });

  test("of the machine are the reason of the failure if anonymous pulls are refused, too", async () => {
    const nobody: ScriptedReply = { status: 403, body: { errors: [{ code: "DENIED", message: "nobody" }] } };
    const { server } = await startServer((request) => (asked(request) === undefined ? nobody : refused));
    const renew = () => Promise.reject(new Error("no other"));
    const store = new TokenStore(server, JANE.withOrigin({ renew, isAmbient: true }));
    expect(await rejectionOf(store.get(["repository:private:pull"]))).toMatchObject({ status: 401 });
  });

  test("are not discarded while the server is down", async () => {
    const { scripted, server } = await startServer(() => ({ status: 503, body: "" }));
    const renew = () => Promise.reject(new Error("must not be asked"));
    const store = new TokenStore(server, JANE.withOrigin({ renew, isAmbient: true }));
    expect(await rejectionOf(store.get(["repository:public:pull"]))).toMatchObject({ status: 503, isTemporary: true });
    expect(scripted.requests).toHaveLength(1);
  });
});

test("a service that is named later is sent from then on", async () => {
  const { scripted, server } = await startServer(() => GIVEN);
  const store = new TokenStore(server, JANE);
  const token = await store.get(SCOPES);
  const challenge = { scheme: "bearer", parameters: { service: "europe-docker.pkg.dev" } };
  expect(store.refused({ status: 401, challenge, scopes: SCOPES, header: `Bearer ${token}` })).toBe(true);
  await store.get(SCOPES);
  expect(scripted.requests.map(({ url }) => url.searchParams.get("service"))).toEqual(["", "europe-docker.pkg.dev"]);
});

test("403 rejects the token only if the registry says so", async () => {
  const { server } = await startServer(() => GIVEN);
  const store = new TokenStore(server, JANE);
  const header = `Bearer ${await store.get(SCOPES)}`;
  const of = (error: string) => ({
    status: 403,
    scopes: SCOPES,
    header,
    challenge: { scheme: "bearer", parameters: { error } },
  });
  expect(store.refused(of("denied"))).toBe(false);
  // icr.io (devcontainers/cli 945).
  expect(store.refused(of("insufficient_scope"))).toBe(true);
});

test("a refused registry token is final", () => {
  const server = { http: new Http({}), registry: "r", scheme: "https:", isInsecure: false } as const;
  const challenge = { scheme: "bearer", parameters: { realm: "https://r/token" } };
  const store = new TokenStore({ ...server, challenge }, new Credentials({ registryToken: "own" }));
  expect(store.refused({ status: 401, challenge, scopes: SCOPES, header: "Bearer own" })).toBe(false);
});

test.each([
  ["127.0.0.1:5000", true],
  ["localhost:5000", true],
  ["10.0.0.1:5000", false],
  ["reg.example", false],
])("a token server named localhost serves a registry at %s: %s", async (registry, isServed) => {
  const { scripted, server } = await startServer(() => GIVEN);
  const realm = `http://localhost:${scripted.host.split(":")[1]}/token`;
  const asked = requestToken({ ...server, registry, challenge: { scheme: "bearer", parameters: { realm } } }, JANE, []);
  if (isServed) expect(await asked).toMatchObject({ token: "t" });
  else expect(await rejectionOf(asked)).toMatchObject({ code: "EXPORT_AUTH_REALM" });
  expect(scripted.requests).toHaveLength(isServed ? 1 : 0);
});

test.each([
  ["10.0.0.1:443", "https://10.0.0.1:443/token", true],
  ["10.0.0.1:443", "https://10.0.0.1/token", true],
  ["10.0.0.1", "https://10.0.0.1:443/token", true],
  ["10.0.0.1:443", "https://10.0.0.1:8443/token", false],
])("a registry at the private address %s may name the realm %s: %s", async (registry, realm, isAllowed) => {
  const server = { http: new Http({}), registry, scheme: "https:", isInsecure: false } as const;
  const challenge = { scheme: "bearer", parameters: { realm } };
  const stop = new Error("before the request");
  const asked = requestToken({ ...server, challenge }, JANE, [], AbortSignal.abort(stop));
  expect(await rejectionOf(asked)).toMatchObject(isAllowed ? stop : { code: "EXPORT_AUTH_REALM" });
});
