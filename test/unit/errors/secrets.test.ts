import { expect, test } from "vitest";
import { keepSecret, withoutSecrets } from "../../../src/errors/secrets.ts";

keepSecret('p4ss/w"ord with more');
keepSecret("a-long-secret");
keepSecret("a-long-secret-with-more");
keepSecret("short");
keepSecret(undefined);

test.each([
  ['user p4ss/w"ord with more!', "user [redacted]!"],
  ["?p=p4ss%2Fw%22ord%20with%20more", "?p=[redacted]"],
  [JSON.stringify({ p: 'p4ss/w"ord with more' }), '{"p":"[redacted]"}'],
  ["a-long-secret-with-more, a-long-secret", "[redacted], [redacted]"],
  ["too short to be told from words", "too short to be told from words"],
])("%s is shown as %s", (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});
