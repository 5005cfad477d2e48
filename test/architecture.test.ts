import { readdirSync, readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { expect, test } from "vitest";

/**
 * One row of the table of imports. `may`: folders that a folder may import; `types`: those of which it may import types
 * only.
 */
interface Allowed {
  readonly may: readonly string[];
  readonly types?: readonly string[];
}

const TABLE: Readonly<Record<string, Allowed>> = {
  errors: { may: [] },
  go: { may: ["errors"] },
  "logger.ts": { may: [] },
  process: { may: ["errors"], types: ["logger.ts"] },
  concurrency: { may: [] },
  oci: { may: ["errors", "go"] },
  cnb: { may: ["errors", "go"], types: ["logger.ts", "plan"] },
  files: { may: ["errors", "go"] },
  plan: { may: ["cnb", "errors", "go", "oci"], types: ["cli"] },
  images: { may: ["cnb", "errors", "go", "oci"], types: ["logger.ts"] },
  http: { may: ["concurrency", "errors", "go"], types: ["process"] },
  auth: { may: ["concurrency", "errors", "go", "http", "oci"], types: ["process"] },
  docker: { may: ["errors", "go", "http"], types: ["process"] },
  observe: {
    may: ["assets.ts", "cnb", "concurrency", "errors", "files", "go", "process", "report", "version.ts"],
    types: ["logger.ts", "plan"],
  },
  report: { may: ["cnb", "errors", "files", "go"], types: ["logger.ts"] },
  /* The thread border: both sides share protocol.ts, and folders that know nothing of threads. */
  "workers/protocol.ts": { may: ["errors", "go"], types: ["observe", "oci", "plan"] },
  workers: { may: ["concurrency", "errors", "go", "oci", "workers/protocol.ts"] },
  engine: { may: ["concurrency", "errors", "go", "observe", "oci", "workers/protocol.ts"], types: ["plan"] },
  /* The single executable keeps its modules in itself, so a thread's first file needs what reads them. */
  "workers/embedded.ts": { may: ["executable"] },
  "build-output": {
    may: ["cnb", "destinations", "errors", "files", "go", "oci", "process"],
    types: ["logger.ts", "plan"],
  },
  destinations: {
    may: ["auth", "caches", "cnb", "concurrency", "docker", "errors", "files", "go", "http", "images", "oci", "plan"],
    types: ["engine", "logger.ts", "observe", "process"],
  },
  caches: {
    may: ["cnb", "concurrency", "destinations", "errors", "files", "go", "images", "oci", "plan"],
    types: ["engine", "logger.ts", "observe"],
  },
  "assets.ts": { may: ["errors"], types: ["engine"] },
  "version.ts": { may: [] },
  export: {
    may: [
      "assets.ts",
      "auth",
      "build-output",
      "caches",
      "cnb",
      "concurrency",
      "destinations",
      "docker",
      "engine",
      "errors",
      "go",
      "http",
      "images",
      "observe",
      "oci",
      "plan",
      "process",
      "report",
      "workers/protocol.ts",
    ],
    types: ["logger.ts"],
  },
  creator: {
    may: ["build-output", "cli", "cnb", "docker", "errors", "export", "go", "observe", "oci", "process"],
    types: ["logger.ts", "plan", "report"],
  },
  cli: {
    may: [
      "build-output",
      "cnb",
      "creator",
      "docker",
      "errors",
      "export",
      "go",
      "observe",
      "oci",
      "process",
      "report",
      "version.ts",
    ],
    types: ["logger.ts", "plan"],
  },
  executable: { may: ["process"] },
  "index.ts": { may: ["cli", "errors", "process"], types: ["logger.ts", "observe"] },
};

const BANNED_NAME = /^(utils?|common|helpers?|types|manager)\./;

interface Import {
  readonly file: string;
  readonly target: string;
  readonly isTypeOnly: boolean;
}

const root = join(import.meta.dirname, "..");

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => posix.join(folder, name))
    .filter((name) => name.endsWith(".ts"));
}

/** `import … from "…"` and `export … from "…"`, also over several lines, `import "…"` and `import("…")`. */
const STATEMENT = /^(?:import|export)\s+(type\s)?([^;"']*?\sfrom\s+)?"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm;

function importsOf(file: string, text: string): Import[] {
  return [...text.matchAll(STATEMENT)].map(([, type, names = "", statement, call]) => ({
    file,
    target: posix.join(posix.dirname(file), statement ?? call ?? ""),
    isTypeOnly: type !== undefined || /^\{(\s*type\s[^,}]+,?)+\s*\}\s*from\s+$/.test(names),
  }));
}

/** The row of the table that a file belongs to: its own, its folder below src, its name directly in src, or `workers`. */
function rowOf(file: string): string {
  if (Object.hasOwn(TABLE, file)) return file;
  const [top = "", second = ""] = file.split("/");
  return top === "src" ? second : top;
}

function problem({ file, target, isTypeOnly }: Import): string | undefined {
  const from = rowOf(file);
  const to = rowOf(target);
  const shown = `${file} imports ${isTypeOnly ? "types of " : ""}${target}`;
  if (from === to) return undefined;
  const allowed = TABLE[from];
  if (allowed === undefined) return `${file} is in a folder that the table does not know`;
  if (allowed.may.includes(to) || (isTypeOnly && allowed.types?.includes(to))) return undefined;
  return shown;
}

const files = [...sources("src"), ...sources("workers")];
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const imports = files.flatMap((file) => importsOf(file, texts.get(file) ?? ""));

test("every import is in the table of imports", () => {
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.map(problem).filter((text) => text !== undefined)).toEqual([]);
});

test("the checker sees each way of importing", () => {
  const text = [
    'import { a } from "../engine/a.ts";',
    'import type { B } from "../engine/b.ts";',
    'import {\n  type C,\n  type D,\n} from "../engine/c.ts";',
    'import { type E, f } from "../engine/e.ts";',
    'export { g } from "../engine/g.ts";',
    'import "../engine/h.ts";',
    'const i = await import("../engine/i.ts");',
    'import { z } from "zod";',
  ].join("\n");
  const seen = importsOf("src/http/x.ts", text);
  expect(seen.map(({ target, isTypeOnly }) => [target, isTypeOnly])).toEqual([
    ["src/engine/a.ts", false],
    ["src/engine/b.ts", true],
    ["src/engine/c.ts", true],
    ["src/engine/e.ts", false],
    ["src/engine/g.ts", false],
    ["src/engine/h.ts", false],
    ["src/engine/i.ts", false],
  ]);
  expect(seen.map(problem).filter((text) => text !== undefined)).toHaveLength(7);
});

test.each([
  ["src/errors/x.ts", "src/oci/y.ts", true],
  ["src/engine/x.ts", "src/http/y.ts", true],
  ["src/engine/x.ts", "workers/scan/walk.ts", false],
  ["src/plan/x.ts", "src/engine/y.ts", true],
  ["src/export/x.ts", "workers/blocks/block.ts", true],
  ["workers/protocol.ts", "workers/tar/header.ts", true],
  ["workers/x.ts", "src/plan/layers.ts", true],
  ["workers/x.ts", "src/cli/asset-modules.ts", true],
  ["workers/x.ts", "src/engine/pool.ts", true],
  ["workers/x.ts", "src/export/y.ts", true],
  ["src/odd/x.ts", "src/errors/y.ts", true],
])("%s must not import %s (types only: %s)", (file, target, isTypeOnly) => {
  expect(problem({ file, target, isTypeOnly })).toBeDefined();
});

/** Files that import each other, directly or through others, types included. */
function cycles(of: readonly Import[]): string[][] {
  const targets = Map.groupBy(of, ({ file }) => file);
  const reachable = (from: string): Set<string> => {
    const seen = new Set<string>();
    const open = [from];
    for (let file = open.pop(); file !== undefined; file = open.pop())
      for (const { target } of targets.get(file) ?? []) {
        if (seen.has(target)) continue;
        seen.add(target);
        open.push(target);
      }
    return seen;
  };
  const reach = new Map([...targets.keys()].map((file) => [file, reachable(file)]));
  const found = new Map<string, string[]>();
  for (const [file, seen] of reach) {
    if (!seen.has(file)) continue;
    const cycle = [...seen].filter((other) => reach.get(other)?.has(file)).sort();
    found.set(cycle.join(), cycle);
  }
  return [...found.values()];
}

test("no cycles in thread code", () => {
  expect(cycles(imports.filter(({ file }) => rowOf(file).startsWith("workers")))).toEqual([]);
});

test("the checker finds cycles", () => {
  const edge = (file: string, target: string): Import => ({ file, target, isTypeOnly: true });
  const edges = [edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d"), edge("e", "e")];
  expect(cycles(edges)).toEqual([["b", "c"], ["e"]]);
});

/** What a file and all that it imports statically load that is not this project's. */
function loadedBy(entry: string): Set<string> {
  const seen = new Set([entry]);
  for (const file of seen)
    for (const { target, isTypeOnly } of importsOf(file, (texts.get(file) ?? "").replaceAll(DYNAMIC, "")))
      if (!isTypeOnly) seen.add(target);
  const imports = [...seen].flatMap((file) => [...(texts.get(file) ?? "").matchAll(PACKAGE)]);
  return new Set(imports.flatMap(([, type, name]) => (type === undefined && name !== undefined ? [name] : [])));
}

const DYNAMIC = /\bimport\(/g;
const PACKAGE = /^import\s(type\s)?[^;]*?from\s"([^."][^"]*)"/gm;

/* Each thread has all modules of its own: those of node:crypto take half a megabyte. */
test.each([
  ["workers/compressor.ts", ["node:fs", "node:os", "node:path/posix", "node:util", "node:worker_threads", "node:zlib"]],
  ["workers/digester.ts", ["node:crypto", "node:fs", "node:os", "node:util", "node:worker_threads"]],
])("%s loads little into its thread", (entry, expected) => {
  expect([...loadedBy(entry)].sort()).toEqual(expected);
});

test("the command answers -version and -h with one package loaded, that of the log", () => {
  const packages = [...loadedBy("src/cli/main.ts")].filter((name) => !name.startsWith("node:"));
  expect(packages).toEqual(["pino"]);
});

test("no source file has more than 400 lines", () => {
  const long = files.filter((file) => (texts.get(file) ?? "").split("\n").length > 401);
  expect(long).toEqual([]);
});

test("no file is named after nothing", () => {
  expect(files.filter((file) => BANNED_NAME.test(basename(file)))).toEqual([]);
});

test("no barrels", () => {
  const isBarrel = (file: string) =>
    (basename(file) === "index.ts" && file !== "src/index.ts") || /^export\s+\*/m.test(texts.get(file) ?? "");
  expect(files.filter(isBarrel)).toEqual([]);
});
