import { describe, expect, test } from "vitest";
import { Credentials } from "../../../src/auth/credentials.ts";
import { requestToken } from "../../../src/auth/token-request.ts";
import { TokenStore } from "../../../src/auth/token-store.ts";
import { Http } from "../../../src/http/http.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const SCOPES = ["repository:a:pull"];
const JANE = new Credentials({ username: "jane", password: "s3cret" });

async function withServer(
  lifetimeS: number,
  run: (server: FakeRegistry, store: TokenStore, clock: { ms: number }) => Promise<void>,
) {
  await using server = await FakeRegistry.start({
    auth: { kind: "bearer", username: "jane", password: "s3cret", lifetimeS },
  });
  const http = new Http({});
  const clock = { ms: 0 };
  const challenge = { scheme: "bearer", parameters: { realm: `http://${server.host}/token`, service: "fake" } };
  const parts = { http, registry: server.host, scheme: "http:", isInsecure: false, challenge } as const;
  await run(server, new TokenStore(parts, JANE, () => clock.ms), clock);
  await http.close();
}

test("a token is reused and renewed before it expires", () =>
  withServer(300, async (server, store, clock) => {
    const first = await store.get(SCOPES);
    clock.ms = 269_000;
    expect(await store.get(SCOPES)).toBe(first);
    clock.ms = 271_000;
    expect(await store.get(SCOPES)).not.toBe(first);
    expect(server.auth?.issued).toEqual([SCOPES[0], SCOPES[0]]);
  }));

test("a short-lived token is used for four fifths of its lifetime", () =>
  withServer(60, async (_server, store, clock) => {
    const first = await store.get(SCOPES);
    clock.ms = 47_000;
    expect(await store.get(SCOPES)).toBe(first);
    clock.ms = 49_000;
    expect(await store.get(SCOPES)).not.toBe(first);
  }));

test("the time that the token server takes counts towards the lifetime of the token", () =>
  withServer(60, async (_server, store, clock) => {
    const asked = store.get(SCOPES);
    clock.ms = 40_000;
    const first = await asked;
    clock.ms = 49_000;
    expect(await store.get(SCOPES)).not.toBe(first);
  }));

test("concurrent requests share one token", () =>
  withServer(300, async (server, store) => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => store.get(SCOPES)));
    expect(new Set(tokens).size).toBe(1);
    expect(server.auth?.issued).toHaveLength(1);
  }));

test("a refused token is replaced once, with the scope that the registry names first", () =>
  withServer(300, async (server, store) => {
    const first = await store.get(SCOPES);
    const challenge = { scheme: "bearer", parameters: { scope: "repository:b:pull" } };
    const refusal = { status: 401, challenge, scopes: SCOPES, header: `Bearer ${first}` };
    expect(store.refused(refusal)).toBe(true);
    const second = await store.get(SCOPES);
    // A request with the old token is refused later.
    store.refused(refusal);
    expect(await store.get(SCOPES)).toBe(second);
    expect(server.auth?.issued.at(-1)).toBe("repository:b:pull repository:a:pull");
  }));

test("a challenge's scope goes first unless the first scope covers it", () =>
  withServer(300, async (server, store) => {
    const scopes = ["repository:a:push,pull"];
    const refuseWith = async (scope: string) => {
      const header = await store.authorization(scopes);
      store.refused({ status: 401, challenge: { scheme: "bearer", parameters: { scope } }, scopes, header });
      await store.authorization(scopes);
      return server.auth?.issued.at(-1);
    };
    expect(await refuseWith("repository:a:pull")).toBe("repository:a:push,pull");
    expect(await refuseWith("repository:a:pull,push")).toBe("repository:a:push,pull");
    await refuseWith("repository:a:x");
    expect(await refuseWith("repository:a:y")).toBe("repository:a:y repository:a:x repository:a:push,pull");
    expect(await refuseWith("repository:a:x")).toBe("repository:a:x repository:a:y repository:a:push,pull");
  }));

describe("rejects a realm", () => {
  test.each([
    ["http://token.example/", "https:", /realm scheme "http" not allowed for a secure registry; use https$/],
    ["ftp://token.example/", "https:", /realm scheme "ftp" not allowed/],
    ["https://169.254.169.254/latest", "https:", /realm host "169.254.169.254" is a private or link-local address$/],
    ["http://[::1]:80/", "http:", /private or link-local/],
    ["not a url", "https:", /not a URL$/],
    [undefined, "https:", /missing realm$/],
  ] as const)("%s from a registry on %s", async (realm, scheme, message) => {
    const parameters: Record<string, string> = realm === undefined ? {} : { realm };
    const parts = { http: new Http({}), registry: "reg.example", isInsecure: false, scheme };
    const request = requestToken({ ...parts, challenge: { scheme: "bearer", parameters } }, JANE, SCOPES);
    expect(await rejectionOf(request)).toMatchObject({
      code: "EXPORT_AUTH_REALM",
      message: expect.stringMatching(message),
    });
  });
});
