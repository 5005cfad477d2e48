import { flushCompileCache } from "node:module";
import { afterAll, expect } from "vitest";
import { withoutSecrets } from "../../src/errors/secrets.ts";

/* Runs around each file of tests. */

/** What tests of other files show. */
const WORDS = "reg.example registry.example.com 127.0.0.1 localhost docker.io index.docker.io app:latest";

afterAll(() => {
  // Secrets are remembered for good, so a file that takes such a word for one would change what the next files see.
  expect(withoutSecrets(WORDS), "words that are kept as secrets").toBe(WORDS);
  flushCompileCache();
});
