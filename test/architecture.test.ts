import { readdirSync, readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../scripts/script.ts";

/* Other programs check import boundaries, cycles, dead code, barrels and long files: scripts/check.ts runs them. */

const BANNED_NAME = /^(utils?|common|helpers?|types|manager)\./;

test("no file is named after nothing", () => {
  const files = ["src", "workers"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => posix.join(folder, name)),
  );
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => BANNED_NAME.test(basename(file)))).toEqual([]);
});

/** `import … from "…"` and `export … from "…"`, also over several lines, and `import "…"`; not `import("…")`. */
const STATEMENT = /^(?:import|export)\s+(type\s)?([^;"']*?\sfrom\s+)?"([^"]+)"/gm;

/** External modules that a file and all its imports load. Type imports load nothing. */
function loadedBy(entry: string): Set<string> {
  const [files, packages] = [new Set([entry]), new Set<string>()];
  for (const file of files)
    for (const [, type, names = "", target = ""] of readFileSync(join(ROOT, file), "utf8").matchAll(STATEMENT)) {
      if (type !== undefined || /^\{(\s*type\s[^,}]+,?)+\s*\}\s*from\s+$/.test(names)) continue;
      if (target.startsWith(".")) files.add(posix.join(posix.dirname(file), target));
      else packages.add(target);
    }
  return packages;
}

/* Each thread has all modules of its own: those of node:crypto take half a megabyte. Every thread has node:buffer. */
test.each([
  ["workers/compressor.ts", ["node:fs", "node:os", "node:path/posix", "node:util", "node:worker_threads", "node:zlib"]],
  ["workers/digester.ts", ["node:crypto", "node:fs", "node:os", "node:util", "node:worker_threads"]],
])("%s loads little into its thread", (entry, expected) => {
  expect([...loadedBy(entry)].filter((name) => name !== "node:buffer").sort()).toEqual(expected);
});

test("the command answers -version and -h with one package loaded, that of the log", () => {
  const packages = [...loadedBy("src/cli/main.ts")].filter((name) => !name.startsWith("node:"));
  expect(packages).toEqual(["pino"]);
});
