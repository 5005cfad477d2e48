import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readAnalyzed } from "../../../src/build-output/analyzed.ts";
import { readLayerToml } from "../../../src/build-output/buildpack-layers.ts";
import { readProjectMetadata } from "../../../src/build-output/documents.ts";
import { readGroup } from "../../../src/build-output/group.ts";
import { readBuildMetadata } from "../../../src/build-output/metadata.ts";
import { readRun } from "../../../src/build-output/run-images.ts";
import { parsePlatformApi } from "../../../src/cnb/api.ts";
import { buildMetadataLabel } from "../../../src/cnb/build-metadata.ts";
import { lifecycleMetadataLabel } from "../../../src/cnb/lifecycle-metadata.ts";
import { goJson } from "../../../src/go/json-encode.ts";
import { parseToml } from "../../../src/go/toml-decode.ts";
import type { SeededRandom } from "../random.ts";
import { mutated } from "./mutations.ts";
import { type FuzzTarget, laterOutcomeOf, outcomeOf } from "./target.ts";

const DOCUMENTS = [
  `[types]
launch = true
cache = false
[metadata]
n = 1
f = 1.5
big = 9223372036854775807
d = 1979-05-27T07:32:00.123456789-08:00
l = 1979-05-27
t = 07:32:00
a = [1, [2, "x"], { y = 3 }]
`,
  `[image]
reference = "localhost:5000/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
[run-image]
reference = "run"
extend = false
[metadata]
app = [{ sha = "sha256:1" }]
[[metadata.buildpacks]]
key = "samples/java"
version = "1"
[metadata.buildpacks.layers.jdk]
sha = "sha256:2"
launch = true
[metadata.buildpacks.layers.jdk.metadata]
"a.b" = '''x'''
`,
  `buildpack-default-process-type = "web"
[[buildpacks]]
id = "samples/java"
version = "0.1.0"
api = "0.10"
[[processes]]
type = "web"
command = ["java"]
args = ["-jar"]
direct = true
[[slices]]
paths = ["*.js"]
[[labels]]
key = "a"
value = """b
\\u00e9"""
`,
  `[[group]]\nid = "a/b"\nversion = "1"\napi = "0.9"\n[[group-extensions]]\nid = "c"\n`,
  `[[images]]\nimage = "x"\nmirrors = ["y", "z"]\n`,
];
const PIECES = [
  ...[
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    ",",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "#",
    "\n",
    "\r\n",
    "\t",
    " ",
    "[[",
    "]]",
    "-",
    "+",
  ],
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__proto__.x = 1\n", "[constructor]\n"],
  ...[
    "inf",
    "nan",
    "-nan",
    "0x",
    "0xffffffffffffffff",
    "1e999",
    "9".repeat(40),
    "1_000",
    "true",
    "1979-02-30",
    "24:00:00",
  ],
  ...[
    "\\u0000",
    "\\ud800",
    "\\U0010FFFF",
    "é",
    "\u0000",
    "\ufeff",
    "a.b.c.d",
    "launch = 1\n",
    "sha = []\n",
    "metadata = 1\n",
  ],
];

function documentText(random: SeededRandom): string {
  const from = random.pick(DOCUMENTS);
  return mutated(random, from, [...PIECES, ...from.split("\n")]).toWellFormed();
}

export const toml: FuzzTarget<string> = {
  name: "toml",
  generate: documentText,
  check: (text) =>
    outcomeOf(
      () => parseToml(Buffer.from(text)),
      (error) => !(error instanceof TypeError) && /^(?:line \d+: |the file |.* out of range )/.test(error.message),
    ),
};

const LAUNCHER = { version: "1", repository: "r", commit: "c" };
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * The documents of a build, and the labels made from them.
 * @param directory to write them to
 */
export function tomlDocuments(directory: string): FuzzTarget<{ readonly text: string; readonly reader: number }> {
  const path = join(directory, "x.toml");
  mkdirSync(join(directory, "config"), { recursive: true });
  const readers: readonly (() => Promise<unknown>)[] = [
    async () => goJson((await readLayerToml(path)).data),
    async () => lifecycleMetadataLabel((await readAnalyzed(path, SILENT)).metadata),
    async () => {
      const api = parsePlatformApi("0.13");
      return buildMetadataLabel(await readBuildMetadata(directory, api), LAUNCHER, api);
    },
    () => readGroup(path),
    () => readRun(path, SILENT),
    async () => goJson((await readProjectMetadata(path, SILENT)) as never),
  ];
  return {
    name: "toml-documents",
    generate: (random) => ({ text: documentText(random), reader: random.below(readers.length) }),
    check({ text, reader }) {
      for (const file of [path, join(directory, "config", "metadata.toml")]) writeFileSync(file, text);
      return laterOutcomeOf(readers[reader] as () => Promise<unknown>);
    },
  };
}
