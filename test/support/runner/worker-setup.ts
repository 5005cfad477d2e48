import { flushCompileCache } from "node:module";
import { afterAll, afterEach, expect } from "vitest";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { endPrograms } from "../process/exporter.ts";

/* Runs around each file of tests. */

/** Words in the output of other files' tests. */
const WORDS = "reg.example registry.example.com 127.0.0.1 localhost docker.io index.docker.io app:latest";

afterEach(endPrograms);

afterAll(() => {
  // Secrets stay registered, so a file that registers such a word would change the output of later files.
  expect(withoutSecrets(WORDS), "words that are kept as secrets").toBe(WORDS);
  flushCompileCache();
});
