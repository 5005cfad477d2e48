import { inspect } from "node:util";
import { expect, test } from "vitest";
import { openSecretScope, registerSecret, withoutSecrets } from "../../../src/errors/secrets.ts";
import { responseFault } from "../../../src/http/faults.ts";
import { ProxyRefusal } from "../../../src/http/tunnel.ts";

registerSecret('p4ss/w"ord with more');
registerSecret("a-long-secret");
registerSecret("a-long-secret-with-more");
registerSecret("short");
registerSecret("not-utf-8-\udcff");
registerSecret("tök語n-of-utf-8");
registerSecret(undefined);

test.each([
  ['user p4ss/w"ord with more!', "user [redacted]!"],
  ["?p=p4ss%2Fw%22ord%20with%20more", "?p=[redacted]"],
  [JSON.stringify({ p: 'p4ss/w"ord with more' }), '{"p":"[redacted]"}'],
  ["a-long-secret-with-more, a-long-secret", "[redacted], [redacted]"],
  ["not-utf-8-\udcff, not-utf-8-%EF%BF%BD", "[redacted], [redacted]"],
  [`tök語n-of-utf-8, ${Buffer.from("tök語n-of-utf-8").toString("latin1")}`, "[redacted], [redacted]"],
  ["too short to be told from words", "too short to be told from words"],
])("%s is shown as %s", (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});

test("a scope keeps what is registered during it, and ends with it", () => {
  const outer = openSecretScope();
  registerSecret("token-of-the-outer");
  const inner = openSecretScope();
  registerSecret("token-of-either");
  const text = "token-of-the-outer token-of-either a-long-secret";
  expect(withoutSecrets(text)).toBe("[redacted] [redacted] [redacted]");
  outer[Symbol.dispose]();
  expect(withoutSecrets(text)).toBe("token-of-the-outer [redacted] [redacted]");
  inner[Symbol.dispose]();
  expect(withoutSecrets(text)).toBe("token-of-the-outer token-of-either [redacted]");
});

test("an error with a response that repeats a secret has it in none of its members", () => {
  const diagnostic = { code: "DENIED", message: "you sent a-long-secret", detail: ["a-long-secret"] };
  const body = JSON.stringify({ errors: [diagnostic] });
  const url = new URL("https://registry.example/v2/");
  const refused = responseFault({ method: "GET", url, status: 403, retryAfter: undefined, body });
  const refusal = { status: 407, isTemporary: false, login: undefined };
  const shown = inspect([refused, new ProxyRefusal("proxy.example", "you sent a-long-secret", refusal)], {
    depth: null,
  });
  expect(shown.match(/you sent \[redacted\]/g)?.length).toBeGreaterThan(2);
  expect(shown).not.toContain("a-long-secret");
});
