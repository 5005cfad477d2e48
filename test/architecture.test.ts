import { readdirSync, readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { expect, test } from "vitest";

const STAGES = ["faults", "cnb", "inputs", "transport", "plan", "layers", "images", "destinations", "caches", "report"];

/**
 * One row of the table of imports. `may`: folders that a folder may import; `types`: those of which it may import types
 * only.
 */
interface Allowed {
  readonly may: readonly string[];
  readonly types?: readonly string[];
}

const TABLE: Readonly<Record<string, Allowed>> = {
  faults: { may: [] },
  oci: { may: ["faults"] },
  flow: { may: ["faults"] },
  cnb: { may: ["oci", "faults"] },
  inputs: { may: ["oci", "cnb", "faults"] },
  transport: { may: ["oci", "faults", "flow"] },
  plan: { may: ["oci", "cnb", "faults"], types: ["inputs"] },
  layers: { may: ["oci", "faults", "flow"], types: ["plan"] },
  images: { may: ["oci", "cnb", "faults"], types: ["plan", "layers"] },
  destinations: { may: ["oci", "faults", "flow", "transport", "images"], types: ["layers"] },
  caches: { may: ["oci", "cnb", "faults", "flow", "images", "destinations"], types: ["plan", "layers"] },
  report: { may: ["oci", "cnb", "faults", "flow"], types: ["destinations", "caches"] },
  // The conductor and its parts are the only ones that join the stages.
  "export.ts": { may: [...STAGES, "export"] },
  export: { may: [...STAGES, "export.ts"] },
  "cli.ts": { may: ["program.ts", "report", "faults", "privileges.ts", "process-inputs.ts", "stop-signals.ts"] },
  // The command without its process.
  "program.ts": {
    may: [
      "export",
      "create",
      "inputs",
      "report",
      "faults",
      "cnb",
      "privileges.ts",
      "process-inputs.ts",
      "stop-signals.ts",
    ],
  },
  // What the process was given, for the command and the library.
  "process-inputs.ts": { may: [], types: ["inputs"] },
  // The command in one executable file.
  "binary.ts": { may: ["asset-modules.ts", "process-inputs.ts"] },
  "asset-modules.ts": { may: [] },
  // The library.
  "tandem.ts": { may: ["export", "inputs", "faults", "process-inputs.ts"] },
  // The creator: runs the phases before the export as programs, then exports as the exporter does.
  create: {
    may: ["export", "inputs", "faults", "cnb", "transport", "privileges.ts", "stop-signals.ts"],
    types: ["report"],
  },
  workers: { may: ["faults", "layers", "asset-modules.ts"] },
};

/** The words and tools that everything may use which may use faults. */
const BESIDE_FAULTS = ["oci", "flow"];

/** Files directly in src that the table does not name see only the common words. */
const OTHER_FILE: Allowed = { may: ["faults"] };

/** What runs outside of the threads, so that no thread may load it. */
const NOT_IN_A_THREAD = [
  "worker-pool.ts",
  "layer-store.ts",
  "made-layer.ts",
  "spooling.ts",
  "tar-file.ts",
  "tar-stream.ts",
  "pass.ts",
  "slot-pool.ts",
  "spool.ts",
  "spool-file.ts",
  "held-tar.ts",
];

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

/** The row of the table that a file belongs to: its folder below src, its own name directly in src, or `workers`. */
function rowOf(file: string): string {
  const [top = "", second = ""] = file.split("/");
  return top === "src" ? second : top;
}

function problem({ file, target, isTypeOnly }: Import): string | undefined {
  const from = rowOf(file);
  const to = rowOf(target);
  const shown = `${file} imports ${isTypeOnly ? "types of " : ""}${target}`;
  if (to === "workers") return shown;
  if (from === "workers" && NOT_IN_A_THREAD.includes(basename(target))) return shown;
  if (from === to) return undefined;
  const allowed = TABLE[from] ?? (file.split("/").length === 2 ? OTHER_FILE : undefined);
  if (allowed === undefined) return `${file} is in a folder that the table does not know`;
  if (BESIDE_FAULTS.includes(to) && allowed.may.includes("faults")) return undefined;
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
    'import { a } from "../layers/a.ts";',
    'import type { B } from "../layers/b.ts";',
    'import {\n  type C,\n  type D,\n} from "../layers/c.ts";',
    'import { type E, f } from "../layers/e.ts";',
    'export { g } from "../layers/g.ts";',
    'import "../layers/h.ts";',
    'const i = await import("../layers/i.ts");',
    'import { z } from "zod";',
  ].join("\n");
  const seen = importsOf("src/images/x.ts", text);
  expect(seen.map(({ target, isTypeOnly }) => [target, isTypeOnly])).toEqual([
    ["src/layers/a.ts", false],
    ["src/layers/b.ts", true],
    ["src/layers/c.ts", true],
    ["src/layers/e.ts", false],
    ["src/layers/g.ts", false],
    ["src/layers/h.ts", false],
    ["src/layers/i.ts", false],
  ]);
  expect(seen.map(problem).filter((text) => text !== undefined)).toHaveLength(5);
});

test.each([
  ["src/faults/x.ts", "src/oci/y.ts", true],
  ["src/layers/x.ts", "src/plan/y.ts", false],
  ["src/layers/x.ts", "workers/y.ts", true],
  ["src/layers/x.ts", "src/transport/y.ts", true],
  ["workers/x.ts", "src/layers/worker-pool.ts", true],
  ["workers/x.ts", "src/plan/y.ts", true],
  ["src/odd/x.ts", "src/faults/y.ts", true],
])("%s must not import %s (types only: %s)", (file, target, isTypeOnly) => {
  expect(problem({ file, target, isTypeOnly })).toBeDefined();
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

test("no source file has more than 300 lines", () => {
  const long = files.filter((file) => (texts.get(file) ?? "").split("\n").length > 301);
  expect(long).toEqual([]);
});

test("no file is named after nothing", () => {
  expect(files.filter((file) => BANNED_NAME.test(basename(file)))).toEqual([]);
});

test("no barrels", () => {
  const isBarrel = (file: string) => basename(file) === "index.ts" || /^export\s+\*/m.test(texts.get(file) ?? "");
  expect(files.filter(isBarrel)).toEqual([]);
});
