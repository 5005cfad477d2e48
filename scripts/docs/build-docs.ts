import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runTool } from "../run-tool.ts";
import { makeTemporaryDirectory, ROOT, runScript } from "../script.ts";
import { TYPESCRIPT_6, typescript6Tool } from "../typescript-6.ts";
import { withErrorCodes } from "./error-codes.ts";
import { eventSchemaText } from "./event-schema.ts";

const USAGE = `npm run docs -- [--check]

Generates docs/api.md from the docstrings of src/index.ts, docs/events.schema.json from the events, and the tables of
docs/troubleshooting.md from the error codes.
--check: only fails if the files are out of date.`;

const docs = join(ROOT, "docs");

const NOTICE = "<!-- Made by `npm run docs` from the docstrings; do not edit. -->\n\n";

function makeReference(): string {
  const typedoc = typescript6Tool("typedoc", "bin", "typedoc");
  const out = makeTemporaryDirectory(join(tmpdir(), "tandem-docs-"));
  try {
    const args = ["--options", join(TYPESCRIPT_6, "typedoc.json"), "--out", out];
    runTool(process.execPath, [typedoc, ...args], { cwd: TYPESCRIPT_6 });
    return NOTICE + readFileSync(join(out, "README.md"), "utf8");
  } finally {
    rmSync(out, { recursive: true });
  }
}

function main(args: readonly string[]): void {
  const { values } = parseArgs({ args, options: { check: { type: "boolean", default: false } } });
  const troubleshooting = join(docs, "troubleshooting.md");
  const documents = [
    { path: join(docs, "api.md"), text: makeReference() },
    { path: join(docs, "events.schema.json"), text: eventSchemaText() },
    { path: troubleshooting, text: withErrorCodes(readFileSync(troubleshooting, "utf8")) },
  ];
  for (const { path, text } of documents) {
    if (!values.check) writeFileSync(path, text);
    else if (readFileSync(path, "utf8") !== text) throw new Error(`${path} is not what the code says: npm run docs`);
  }
}

await runScript(USAGE, main);
