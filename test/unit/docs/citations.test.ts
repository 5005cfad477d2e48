import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { expect, test } from "vitest";
import { withErrorCodes } from "../../../scripts/docs/error-codes.ts";
import { ROOT } from "../../../scripts/script.ts";
import { CODES } from "../../../src/errors/codes.ts";
import { type MarkdownDocument, parseMarkdown } from "../../support/output/markdown.ts";

const CODE_FOLDERS = ["src", "workers", "test", "scripts", "bin", "launcher", "deploy", ".ci", ".github"];
const IGNORED = new Set(["node_modules", "dist", ".git"]);

interface Source {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

function filesBelow(folder: string, isWanted: (name: string) => boolean): Source[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry): Source[] => {
    if (IGNORED.has(entry.name)) return [];
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path, isWanted);
    if (!entry.isFile() || !isWanted(entry.name)) return [];
    return [{ path, text: readFileSync(join(ROOT, path), "utf8") }];
  });
}

const documents = filesBelow(".", (name) => name.endsWith(".md"));
const code = CODE_FOLDERS.flatMap((folder) => filesBelow(folder, (name) => !name.endsWith(".md")));
const parsed = new Map<string, MarkdownDocument>(documents.map(({ path, text }) => [path, parseMarkdown(text)]));

/** Why a path with an optional anchor does not resolve; undefined if it does. */
function flawOf(path: string, anchor: string | undefined): string | undefined {
  const target = posix.normalize(path);
  if (!existsSync(join(ROOT, target))) return `no ${target}`;
  const document = parsed.get(target);
  if (anchor === undefined || document === undefined) return undefined;
  return document.anchors.has(anchor) ? undefined : `no #${anchor} in ${target}`;
}

test("every relative link and anchor of every Markdown document resolves", () => {
  const broken = [...parsed].flatMap(([path, { links }]) =>
    links
      .filter(({ target }) => !/^[a-z]+:/.test(target))
      .flatMap(({ target, line }) => {
        const [file = "", anchor] = target.split("#");
        const flaw = flawOf(file === "" ? path : posix.join(dirname(path), file), anchor);
        return flaw === undefined ? [] : [`${path}:${line}: ${flaw}`];
      }),
  );
  expect(broken).toEqual([]);
});

test("link definitions and references to them match", () => {
  const flaws = [...parsed].flatMap(([path, { defined, used }]) => [
    ...[...used].filter((id) => !defined.has(id)).map((id) => `${path}: [${id}] is not defined`),
    ...[...defined].filter((id) => !used.has(id)).map((id) => `${path}: [${id}] is not used`),
  ]);
  expect(flaws).toEqual([]);
});

test("no two headings of docs/compatibility.md share an anchor", () => {
  expect(parsed.get("docs/compatibility.md")?.ambiguous).toEqual([]);
});

/** A file of the repository, with the anchor of a section if there is one; not within a URL or another path. */
const CITATION =
  /(?<![\w/])(?:src|workers|test|scripts|bin|docs|fixtures|launcher|deploy)\/[\w./-]*\w\.(?:ts|mjs|cjs|sh|md|c|html|json)\b(?:#(?<anchor>[\w-]+))?/g;

test("every file and section that code and documents cite exists", () => {
  const broken = [...documents, ...code].flatMap(({ path, text }) =>
    [...text.matchAll(CITATION)].flatMap((match) => {
      const flaw = flawOf(match[0].split("#")[0] ?? "", match.groups?.anchor);
      return flaw === undefined ? [] : [`${path}:${lineOf(text, match.index)}: ${flaw}`];
    }),
  );
  expect(broken).toEqual([]);
});

/** Sections of documents that are not in the repository. */
const ABSENT =
  /\bcontract(?:'s)?\b|\bdesign(?:'s|\.md|, (?:ideas? \d|"))|\bideas? \d|(?<=["'`(\s])D\d{1,2}(?=[:,)\s])/i;

test("no code cites a document that the repository does not have", () => {
  const own = relative(ROOT, import.meta.filename);
  const citing = code
    .filter(({ path }) => path !== own)
    .flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, i) => (ABSENT.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    );
  expect(citing).toEqual([]);
});

const GITHUB_FILE =
  /https:\/\/(?:github\.com\/[\w.-]+\/[\w.-]+\/(?:blob|tree|raw|edit)|raw\.githubusercontent\.com\/[\w.-]+\/[\w.-]+)\/(?<ref>[^/\s)>"`]+)/g;
/** A commit, or a version tag. */
const PINNED = /^(?:[\da-f]{40}|(?:v|go)?\d+\.\d+[\w.-]*)$/;

test("links to files on GitHub are pinned to a commit or a version", () => {
  const floating = [...documents, ...code].flatMap(({ path, text }) =>
    [...text.matchAll(GITHUB_FILE)]
      .filter(({ groups }) => !PINNED.test(groups?.ref ?? ""))
      .map((match) => `${path}:${lineOf(text, match.index)}: ${match[0]}`),
  );
  expect(floating).toEqual([]);
});

/** Error codes, without prefixes of codes (`EXPORT_DAEMON_`) and variables (`CNB_EXPORT_...`). */
const ERROR_CODE = /(?<![\w])EXPORT_[A-Z_]*[A-Z](?![\w$])/g;

test("every error code that a document names exists", () => {
  const unknown = documents.flatMap(({ path, text }) =>
    [...text.matchAll(ERROR_CODE)].filter(([name]) => !Object.hasOwn(CODES, name)).map(([name]) => `${path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

test("every error code is thrown somewhere", () => {
  const sources = ["src", "workers"].flatMap((folder) => filesBelow(folder, (name) => name.endsWith(".ts")));
  const text = sources
    .filter(({ path }) => path !== "src/errors/codes.ts")
    .map((source) => source.text)
    .join("\n");
  expect(Object.keys(CODES).filter((code) => !text.includes(`"${code}"`))).toEqual([]);
});

test("docs/troubleshooting.md lists the error codes as the code has them", () => {
  const { text = "" } = documents.find(({ path }) => path === "docs/troubleshooting.md") ?? {};
  expect(text).toBe(withErrorCodes(text));
  for (const code of Object.keys(CODES)) expect(text).toContain(`| \`${code}\` |`);
});

/** Columns of biome.json's formatter, which leaves comments alone. */
const MAX_COLUMNS = 120;

test("no comment is wider than formatted code", () => {
  const wide = code
    .filter(({ path }) => /\.(?:ts|mjs)$/.test(path))
    .flatMap(({ path, text }) =>
      text
        .split("\n")
        .flatMap((line, i) =>
          line.length > MAX_COLUMNS && /^\s*(?:\/\/|\/?\*)/.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [],
        ),
    );
  expect(wide).toEqual([]);
});

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
