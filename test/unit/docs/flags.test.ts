import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { ALL_FLAGS, type Flag } from "../../../src/inputs/flags.ts";

const documents = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name))]
  .filter((path) => path.endsWith(".md"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
const readme = documents[0]?.text ?? "";

const additional = ALL_FLAGS.filter(({ group }) => group === "additional");

/** The first three columns of README's table; the fourth is prose. */
function row({ name, env, fallback, fallbackText }: Flag): string {
  const shown = fallbackText ?? (fallback === undefined ? "none" : `\`${fallback}\``);
  return `| \`-${name}\` | \`${env}\` | ${shown} |`;
}

test.each(additional.map((flag) => [flag.name, flag] as const))("README.md has a row for -%s", (name, flag) => {
  const rows = readme.split("\n").filter((line) => line.startsWith(row(flag)));
  expect(rows, `add this row with what the flag means to README.md: ${row(flag)} ... |`).toHaveLength(1);
  expect(rows[0]?.slice(row(flag).length).trim(), `say in README.md what -${name} means`).toMatch(/^[^|]{10,}.*\|$/);
});

test("README.md has no rows for other flags", () => {
  const rows = [...readme.matchAll(/^\| `-([\w-]+)` \|/gm)].map(([, name]) => name);
  expect(rows.length).toBeGreaterThan(8);
  expect(rows.filter((row) => additional.every(({ name }) => name !== row))).toEqual([]);
});

test("additional flags have a variable that is named after them", () => {
  for (const { name, env } of additional) expect(env).toBe(`CNB_EXPORT_${name.toUpperCase().replaceAll("-", "_")}`);
});

test("every CNB_EXPORT variable that a document names is a flag's", () => {
  const known = new Set(ALL_FLAGS.map(({ env }) => env));
  const unknown = documents.flatMap(({ path, text }) =>
    [...text.matchAll(/\bCNB_EXPORT_[A-Z_]*[A-Z]\b/g)]
      .filter(([name]) => !known.has(name))
      .map(([name]) => `${path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

/** Flags of other programs in these documents begin with two dashes or are within a command. */
const CODE_SPAN = /`-([a-z][a-z-]+)(?:[= ][^`]*)?`/g;

test("every flag that README.md and docs/tuning.md name exists", () => {
  const names = new Set(ALL_FLAGS.map(({ name }) => name));
  const shown = documents.filter(({ path }) => path === "README.md" || path === "docs/tuning.md");
  const unknown = shown.flatMap(({ path, text }) =>
    [...text.matchAll(CODE_SPAN)].filter(([, name = ""]) => !names.has(name)).map(([span]) => `${path}: ${span}`),
  );
  expect(unknown).toEqual([]);
});

test("no two flags share a name or a variable", () => {
  const variables = ALL_FLAGS.flatMap(({ env, alsoEnv }) => [env, alsoEnv].filter((name) => name !== undefined));
  expect(new Set(variables).size).toBe(variables.length);
});
