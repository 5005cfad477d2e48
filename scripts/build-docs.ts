import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { withErrorCodes } from "./error-codes.ts";

/*
 * Makes docs/api.md from the docstrings of src/index.ts, and the tables of docs/troubleshooting.md from the error codes. With
 * --check it only says whether the files are what they say.
 * TypeDoc needs a TypeScript that is written in JavaScript, so that it has a package of its own in tools/api-reference.
 */

const root = dirname(import.meta.dirname);
const tool = join(root, "tools", "api-reference");
const target = join(root, "docs", "api.md");

const NOTICE = "<!-- Made by `npm run docs` from the docstrings; do not edit. -->\n\n";

function makeReference(): string {
  if (!existsSync(join(tool, "node_modules")))
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: tool });
  const out = mkdtempSync(join(tmpdir(), "tandem-docs-"));
  try {
    const typedoc = join(tool, "node_modules", "typedoc", "bin", "typedoc");
    const args = ["--options", join(tool, "typedoc.json"), "--out", out];
    execFileSync(process.execPath, [typedoc, ...args], { cwd: tool, stdio: ["ignore", "ignore", "inherit"] });
    return NOTICE + readFileSync(join(out, "README.md"), "utf8");
  } finally {
    rmSync(out, { recursive: true });
  }
}

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const troubleshooting = join(root, "docs", "troubleshooting.md");
const documents = [
  { path: target, text: makeReference() },
  { path: troubleshooting, text: withErrorCodes(readFileSync(troubleshooting, "utf8")) },
];
for (const { path, text } of documents) {
  if (!values.check) writeFileSync(path, text);
  else if (readFileSync(path, "utf8") !== text) throw new Error(`${path} is not what the code says: npm run docs`);
}
