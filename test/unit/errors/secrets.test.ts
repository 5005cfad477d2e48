import { expect, test } from "vitest";
import { registerSecret, withoutSecrets } from "../../../src/errors/secrets.ts";

registerSecret('p4ss/w"ord with more');
registerSecret("a-long-secret");
registerSecret("a-long-secret-with-more");
registerSecret("short");
registerSecret(undefined);

test.each([
  ['user p4ss/w"ord with more!', "user [redacted]!"],
  ["?p=p4ss%2Fw%22ord%20with%20more", "?p=[redacted]"],
  [JSON.stringify({ p: 'p4ss/w"ord with more' }), '{"p":"[redacted]"}'],
  ["a-long-secret-with-more, a-long-secret", "[redacted], [redacted]"],
  ["too short to be told from words", "too short to be told from words"],
])("%s is shown as %s", (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});
