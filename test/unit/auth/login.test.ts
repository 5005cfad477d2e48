import { expect, test, vi } from "vitest";
import { ANONYMOUS, Credentials } from "../../../src/auth/credentials.ts";
import { BasicLogin, pickChallenge } from "../../../src/auth/login.ts";

const challenge = { scheme: "basic", parameters: {} };
const refusalOf = (header: string | undefined, status = 401) => ({ status, challenge, scopes: [], header });

/** Credentials `user:<n>`, with a larger n for each renewal. */
function counting(from = 1, counter = { asked: 0 }): { readonly credentials: Credentials; counter: { asked: number } } {
  const renew = async () => {
    counter.asked += 1;
    return counting(from + 1, counter).credentials;
  };
  return {
    credentials: new Credentials({ username: "user", password: `${from}` }, { renew, isAmbient: false }),
    counter,
  };
}

const header = (n: number) => `Basic ${Buffer.from(`user:${n}`).toString("base64")}`;

test("expired credentials are renewed once for all refused requests", async () => {
  const { credentials, counter } = counting();
  const login = new BasicLogin(credentials);
  expect(await login.authorization()).toBe(header(1));
  expect(login.refused(refusalOf(header(1)))).toBe(true);
  expect(login.refused(refusalOf(header(1)))).toBe(true);
  const headers = await Promise.all([login.authorization(), login.authorization()]);
  expect(headers).toEqual([header(2), header(2)]);
  // This request was sent with the old credentials.
  expect(login.refused(refusalOf(header(1)))).toBe(true);
  expect(await login.authorization()).toBe(header(2));
  expect(counter.asked).toBe(1);
});

test("a renewal with the same credentials is final", async () => {
  const same = (): Credentials =>
    new Credentials({ username: "user", password: "1" }, { renew: async () => same(), isAmbient: false });
  const login = new BasicLogin(same());
  expect(login.refused(refusalOf(header(1)))).toBe(true);
  expect(await login.authorization()).toBe(header(1));
  expect(login.refused(refusalOf(header(1)))).toBe(false);
});

test("a failed renewal keeps the old credentials", async () => {
  const renew = () => Promise.reject(new Error("gone"));
  const login = new BasicLogin(new Credentials({ username: "user", password: "1" }, { renew, isAmbient: false }));
  expect(login.refused(refusalOf(header(1)))).toBe(true);
  expect(await login.authorization()).toBe(header(1));
  expect(login.refused(refusalOf(header(1)))).toBe(false);
});

test("a renewal that fails, or finds no credentials, is tried again when they are next refused", async () => {
  const fresh = new Credentials({ username: "user", password: "2" });
  const renew = vi.fn(async () => fresh);
  renew.mockRejectedValueOnce(new Error("gone")).mockResolvedValueOnce(ANONYMOUS);
  const credentials = new Credentials({ username: "user", password: "1" }, { renew, isAmbient: false });
  expect(await credentials.renewed()).toBeUndefined();
  expect(await credentials.renewed()).toBeUndefined();
  expect(await credentials.renewed()).toBe(fresh);
});

test.each([
  ["without an origin", new Credentials({ username: "user", password: "1" }), header(1), 401],
  ["without credentials", new Credentials({}), undefined, 401],
  ["with 403", counting().credentials, header(1), 403],
])("a refusal %s is final", (_what, credentials, sent, status) => {
  expect(new BasicLogin(credentials).refused(refusalOf(sent, status))).toBe(false);
});

test("the preferred challenge is picked, or else the first supported one, whatever its case", () => {
  const digest = { scheme: "Digest", parameters: {} };
  const bearer = { scheme: "Bearer", parameters: { realm: "b" } };
  const basic = { scheme: "BASIC", parameters: { realm: "a" } };
  const challenges = [digest, bearer, basic];
  expect(pickChallenge(challenges)).toEqual({ ...bearer, scheme: "bearer" });
  expect(pickChallenge(challenges, "basic")).toEqual({ ...basic, scheme: "basic" });
  expect(pickChallenge([digest, basic], "bearer")).toEqual({ ...basic, scheme: "basic" });
  expect(pickChallenge([digest])).toBeUndefined();
});
