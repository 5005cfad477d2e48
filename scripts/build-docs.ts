import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

/*
 * Makes docs/api.md from the docstrings of src/index.ts. With --check it only says whether the file is what they say.
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
const reference = makeReference();
if (!values.check) writeFileSync(target, reference);
else if (readFileSync(target, "utf8") !== reference)
  throw new Error("docs/api.md is not what the docstrings say: npm run docs");
