import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runtimeList } from "../src/process-inputs.ts";
import { buildEncoders, ENCODERS } from "./build-encoder.ts";
import { buildTimelinePage } from "./build-timeline-page.ts";
import { bundle, THREAD_ENTRIES } from "./bundle.ts";
import { ARCHITECTURES, type Architecture, fetchRuntime } from "./fetch-runtime.ts";

const USAGE = `npm run build:binary -- [--arch amd64,arm64] [--out dist/binary] [--runtime-libraries directory]

Makes one executable file for each architecture, <out>/linux-<arch>/exporter, and the link creator to it. Node.js is in it; what Node.js
itself needs beside libc (libstdc++, libgcc_s, libatomic) is looked for on this machine, or in --runtime-libraries, and put beside
the executable, where it is found first. That takes patchelf; without it the libraries must be where the executable is to run.`;

const root = dirname(import.meta.dirname);

/** What Node.js links to and minimal images lack. Their licence lets them go along with any program (GCC Runtime Library Exception). */
const RUNTIME_LIBRARIES = ["libatomic.so.1", "libgcc_s.so.1", "libstdc++.so.6"];

/** All that may be in an executable's directory: it, the link to it, and what it brings along. */
export const BINARY_FILES = ["exporter", "creator", ...RUNTIME_LIBRARIES];

/** Where Debian and its relatives have libraries of an architecture, natively and for cross-compilers. */
export const LIBRARY_DIRECTORIES: Readonly<Record<Architecture, readonly string[]>> = {
  amd64: ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/x86_64-linux-gnu/lib"],
  arm64: ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/aarch64-linux-gnu/lib"],
};

/** How Node.js is started, as by bin/exporter. */
const RUNTIME = join(root, "bin", "runtime.sh");

interface BinaryOptions {
  readonly architecture: Architecture;
  /** The executable and what goes with it. */
  readonly directory: string;
  /** Where its runtime libraries are. */
  readonly libraries: readonly string[];
}

/** Makes the executable of one architecture. @returns what there is to say about it */
export async function buildBinary({ architecture, directory, libraries }: BinaryOptions): Promise<readonly string[]> {
  await buildEncoders();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const temporary = mkdtempSync(join(tmpdir(), "tandem-binary-"));
  try {
    const executable = join(directory, "exporter");
    await inject(await fetchRuntime(architecture, temporary), executable, architecture, temporary);
    symlinkSync("exporter", join(directory, "creator"));
    return [executable, ...bringLibraries(executable, libraries)];
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** Puts the command and the threads' code into a copy of Node.js. */
async function inject(node: string, executable: string, architecture: Architecture, temporary: string): Promise<void> {
  await bundle({ binary: join(root, "src/binary.ts") }, join(temporary, "main"), true);
  const threads = join(temporary, "threads");
  await bundle(THREAD_ENTRIES, threads);
  await bundle({ embedded: join(root, "workers/embedded.ts") }, join(temporary, "embedded"), true);
  await buildTimelinePage(join(temporary, "timeline.html"));
  const assets = [
    ...readdirSync(threads).map((name) => [name, join(threads, name)]),
    ["embedded.cjs", join(temporary, "embedded", "embedded.cjs")],
    ...ENCODERS.map(({ name }) => [name, join(root, "dist", name)]),
    ["timeline.html", join(temporary, "timeline.html")],
    ["runtime.sh", RUNTIME],
  ];
  const config = {
    main: join(temporary, "main", "binary.cjs"),
    output: executable,
    executable: node,
    disableExperimentalSEAWarning: true,
    // Compiled code is of the machine that compiles.
    useCodeCache: ARCHITECTURES[architecture] === process.arch,
    execArgv: runtimeList(readFileSync(RUNTIME, "utf8"), "node_flags"),
    // Arguments and NODE_OPTIONS are the command's own affair.
    execArgvExtension: "none",
    assets: Object.fromEntries(assets),
  };
  const file = join(temporary, "sea.json");
  writeFileSync(file, JSON.stringify(config));
  execFileSync(process.execPath, ["--build-sea", file], { stdio: ["ignore", "ignore", "inherit"] });
}

/** The path of a library in the first of some directories that has it. */
export function findLibrary(name: string, directories: readonly string[]): string | undefined {
  return directories.map((directory) => join(directory, name)).find(existsSync);
}

function bringLibraries(executable: string, directories: readonly string[]): readonly string[] {
  const needs = `it needs ${RUNTIME_LIBRARIES.join(", ")} where it runs`;
  const found = RUNTIME_LIBRARIES.map((name) => findLibrary(name, directories));
  const missing = RUNTIME_LIBRARIES.filter((_, i) => found[i] === undefined);
  if (missing.length > 0) return [`no ${missing.join(", ")} of its architecture here: ${needs}`];
  try {
    execFileSync("patchelf", ["--set-rpath", "$ORIGIN", executable], { stdio: ["ignore", "ignore", "inherit"] });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    return [`patchelf is not here: ${needs}`];
  }
  for (const [i, name] of RUNTIME_LIBRARIES.entries())
    copyFileSync(realpathSync(found[i] ?? ""), join(dirname(executable), name));
  return [];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: Object.keys(ARCHITECTURES).join(",") },
      out: { type: "string", default: join(root, "dist", "binary") },
      "runtime-libraries": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  for (const name of values.arch.split(",")) {
    if (!(name in ARCHITECTURES))
      throw new Error(`--arch ${name}: it is one of ${Object.keys(ARCHITECTURES).join(", ")}`);
    const architecture = name as Architecture;
    const given = values["runtime-libraries"];
    const libraries = given === undefined ? LIBRARY_DIRECTORIES[architecture] : [given];
    const directory = join(values.out, `linux-${architecture}`);
    console.log((await buildBinary({ architecture, directory, libraries })).join("\n  "));
  }
}

if (import.meta.main) await main();
