import { expect, onTestFinished, test } from "vitest";
import { Credentials } from "../../../src/auth/credentials.ts";
import { RegistryClient } from "../../../src/destinations/registry/client.ts";
import { Http } from "../../../src/http/http.ts";
import { type ReceivedRequest, type ScriptedReply, ScriptedServer } from "../../support/network/scripted-server.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const JANE = new Credentials({ username: "jane", password: "s3cret" });
const BASIC = `Basic ${Buffer.from("jane:s3cret").toString("base64")}`;
const SCOPES = ["repository:a:pull"];

/** @param answer to all requests except those for tokens */
async function open(answer: (request: ReceivedRequest) => ScriptedReply, credentials = JANE) {
  const server = await ScriptedServer.start((request) =>
    request.url.pathname === "/token" ? { body: { token: "the-token" } } : answer(request),
  );
  const http = new Http({});
  onTestFinished(async () => {
    await http.close();
    await server[Symbol.asyncDispose]();
  });
  const client = new RegistryClient({ http, registry: server.host, isInsecure: false }, () => credentials);
  const send = (expected = [200]) =>
    client.send({ method: "GET", target: "/v2/a/manifests/b", scopes: SCOPES, expected, priority: 0 });
  const headers = () =>
    server.requests.map(({ url, headers: { authorization } }) => `${url.pathname} ${authorization}`);
  return { send, headers };
}

const asking = (host: string | undefined, ...challenges: readonly string[]): ScriptedReply => ({
  status: 401,
  body: "",
  headers: { "www-authenticate": challenges.join(", ").replaceAll("HOST", `http://${host}`) },
});
const isPing = ({ url }: ReceivedRequest) => url.pathname === "/v2/";
const OK: ScriptedReply = { body: "" };

test.each([
  ['Bearer realm="HOST/token"', 'Basic realm="r"', "Bearer the-token"],
  ["Negotiate", 'Bearer realm="HOST/token",service="s"', "Bearer the-token"],
  ['BASIC realm="r"', 'Bearer realm="HOST/token"', BASIC],
  ["Negotiate abc==", "bAsIc", BASIC],
])("answers the first supported challenge of %s and %s", async (first, second, header) => {
  const { send, headers } = await open((request) =>
    isPing(request) ? asking(request.headers.host, first, second) : OK,
  );
  await send();
  expect(headers().at(-1)).toBe(`/v2/a/manifests/b ${header}`);
});

test("a registry that requires a token only later gets one", async () => {
  const { send, headers } = await open((request) => {
    if (isPing(request) || request.headers.authorization === "Bearer the-token") return OK;
    return asking(request.headers.host, 'Bearer realm="HOST/token",scope="repository:a:pull"');
  });
  await send();
  await send();
  expect(headers()).toEqual([
    "/v2/ undefined",
    `/v2/a/manifests/b ${BASIC}`,
    `/token ${BASIC}`,
    "/v2/a/manifests/b Bearer the-token",
    "/v2/a/manifests/b Bearer the-token",
  ]);
});

test("a registry that requires Basic after a token gets user and password", async () => {
  const { send, headers } = await open((request) => {
    if (isPing(request)) return asking(request.headers.host, 'Bearer realm="HOST/token"');
    return request.headers.authorization === BASIC ? OK : asking(request.headers.host, "Basic");
  });
  await send();
  expect(headers().slice(-2)).toEqual(["/v2/a/manifests/b Bearer the-token", `/v2/a/manifests/b ${BASIC}`]);
});

test("keeps the current scheme if the registry offers both", async () => {
  let isFirst = true;
  const { send, headers } = await open((request) => {
    if (isPing(request)) return asking(request.headers.host, 'Bearer realm="HOST/token"');
    if (!isFirst) return OK;
    isFirst = false;
    return asking(request.headers.host, "Basic", 'Bearer realm="HOST/token"');
  });
  await send();
  expect(headers().at(-1)).toBe("/v2/a/manifests/b Bearer the-token");
});

test("a 403 that offers another scheme is final", async () => {
  const { send, headers } = await open((request) => {
    if (isPing(request)) return asking(request.headers.host, 'Bearer realm="HOST/token"');
    return { status: 403, body: "", headers: { "www-authenticate": "Basic" } };
  });
  expect(await rejectionOf(send())).toMatchObject({ status: 403, code: "EXPORT_REGISTRY_DENIED" });
  expect(headers().filter((line) => line.startsWith("/v2/a/"))).toEqual(["/v2/a/manifests/b Bearer the-token"]);
});

test("a second refusal is an error", async () => {
  const { send, headers } = await open((request) => asking(request.headers.host, 'Bearer realm="HOST/token"'));
  expect(await rejectionOf(send())).toMatchObject({ status: 401, code: "EXPORT_REGISTRY_DENIED" });
  expect(headers().filter((line) => line.startsWith("/v2/a/"))).toHaveLength(2);
});

test("challenges of other hosts are ignored", async () => {
  await using other = await ScriptedServer.start(() => asking("token.evil.example", 'Bearer realm="HOST/token"'));
  // By name, because a redirect to another private address is never followed.
  const location = `http://localhost:${other.host.split(":")[1]}/blob`;
  const { send, headers } = await open((request) =>
    isPing(request) ? OK : { status: 307, body: "", headers: { location } },
  );
  expect(await rejectionOf(send())).toMatchObject({ status: 401 });
  expect(headers()).toEqual(["/v2/ undefined", `/v2/a/manifests/b ${BASIC}`]);
  expect(other.requests.map(({ headers: { authorization } }) => authorization)).toEqual([undefined]);
});
