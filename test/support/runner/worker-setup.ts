import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { afterAll, afterEach, expect } from "vitest";
import { withoutSecrets } from "../../../src/errors/secrets.ts";
import { endPrograms } from "../process/exporter.ts";

/* Runs around each file of tests. */

const NAMES = "reg.example registry.example.com 127.0.0.1 localhost docker.io index.docker.io app:latest";

/** What other files' tests expect in output: names, and the words of messages, which these documents have. */
const WORDS = [NAMES, ...["troubleshooting.md", "compatibility.md"].map(readDocument)].join("\n");

function readDocument(name: string): string {
  return readFileSync(join(import.meta.dirname, "../../../docs", name), "utf8");
}

const shownBefore = withoutSecrets(WORDS);

afterEach(endPrograms);

afterAll(() => {
  // Secrets stay registered, so a file that registers such a word would change the output of later files.
  const changed = withoutSecrets(WORDS)
    .split("\n")
    .filter((line) => !shownBefore.includes(line));
  expect(changed, "lines with words that are kept as secrets").toEqual([]);
  flushCompileCache();
});
