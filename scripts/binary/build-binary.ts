import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { runtimeList } from "../../src/process/environment.ts";
import { buildEncoders, ENCODERS } from "../build-encoder.ts";
import { buildTimelinePage } from "../build-timeline-page.ts";
import { bundle, COMPILE_FLAGS, THREAD_ENTRIES } from "../bundle.ts";
import { runTool } from "../run-tool.ts";
import { makeStagingDirectory, makeTemporaryDirectory, ROOT, runScript } from "../script.ts";
import { buildLauncher } from "./build-launcher.ts";
import { copyDebianLibraries, LIBRARIES, LOADER, PACKAGES } from "./debian-libraries.ts";
import { checkElf, strip } from "./elf.ts";
import { ARCHITECTURES, type Architecture, fetchRuntime } from "./fetch-runtime.ts";
import { collectLicenses } from "./licenses.ts";

const USAGE = `npm run build:binary -- [--arch amd64,arm64] [--out dist/binary]

Makes <out>/linux-<arch>: exporter, creator, and all that they need, for any Linux image on that architecture. Needs apt and dpkg with a
Debian mirror (DEBIAN_MIRROR names another), Python 3 with pip, and for the other architecture qemu-user-static.`;

/** The single executable, which the launcher starts. */
const PROGRAM = "tandem";

const LICENSES = "tandem.LICENSES";

/** A program, a library or a text of the executable. */
interface BinaryFile {
  readonly mode: number;
  readonly isElf: boolean;
}

const asProgram: BinaryFile = { mode: 0o755, isElf: true };
const asLibrary: BinaryFile = { mode: 0o644, isElf: true };

/** Files of the executable's directory. Platforms only copy files that are directly beside the lifecycle's. */
export const BINARY_FILES: ReadonlyMap<string, BinaryFile> = new Map([
  ["exporter", asProgram],
  [PROGRAM, asProgram],
  [LOADER, asProgram],
  ...LIBRARIES.map((name) => [name, asLibrary] as const),
  [LICENSES, { mode: 0o644, isElf: false }],
]);

/** Links beside these files, with their targets. */
export const BINARY_LINKS: ReadonlyMap<string, string> = new Map([["creator", "exporter"]]);

const RUNTIME = join(ROOT, "bin", "runtime.sh");

/** Only PATH of this machine's environment, which is where emulators are found. */
const START_ENVIRONMENT = { PATH: process.env.PATH, CNB_PLATFORM_API: "0.13" };

const EMULATORS = { amd64: "qemu-x86_64-static", arm64: "qemu-aarch64-static" } as const;

/**
 * Builds the executable of one architecture, and checks that it starts.
 * @param directory its final path; removed first, so that a failing build leaves none
 */
export async function buildBinary(architecture: Architecture, directory: string): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true });
  const temporary = makeTemporaryDirectory(join(tmpdir(), "tandem-binary-"));
  const made = makeStagingDirectory(resolve(dirname(directory)), basename(directory));
  try {
    const files = { architecture, temporary, made };
    const libraryLicenses = copyDebianLibraries(architecture, made);
    const runtime = await fetchRuntime(architecture, PACKAGES);
    const bundled = await buildProgram(files, runtime.node);
    copyFileSync(buildLauncher(architecture), join(made, "exporter"));
    for (const [name, target] of BINARY_LINKS) symlinkSync(target, join(made, name));
    writeFileSync(join(made, LICENSES), collectLicenses(bundled, runtime.license, libraryLicenses));
    // Whatever the umask: others than the builder run the executable.
    for (const [name, { mode }] of BINARY_FILES) chmodSync(join(made, name), mode);
    chmodSync(made, 0o755);
    checkBinary(architecture, made);
    checkStart(files);
    renameSync(made, directory);
  } finally {
    rmSync(made, { recursive: true, force: true });
    rmSync(temporary, { recursive: true });
  }
}

interface Files {
  readonly architecture: Architecture;
  readonly temporary: string;
  readonly made: string;
}

/** Embeds the command and the threads' code in a copy of Node.js. @returns paths of the bundled sources */
async function buildProgram(files: Files, runtime: Buffer): Promise<readonly string[]> {
  const { temporary, made } = files;
  const node = join(temporary, "node-stripped");
  const flags = runtimeList(readFileSync(RUNTIME, "utf8"), "node_flags");
  checkElf(runtime, `Node.js for linux/${files.architecture}`, files.architecture);
  writeFileSync(node, strip(runtime), { mode: 0o755 });
  const modules = join(temporary, "modules");
  const sources = await bundle({ cli: join(ROOT, "src/cli/main.ts"), ...THREAD_ENTRIES }, modules);
  for (const entry of ["src/executable/binary.ts", "workers/embedded.ts", "scripts/compile-modules.ts"])
    await bundle({ [basename(entry, ".ts")]: join(ROOT, entry) }, join(temporary, "start"), true);
  runProgram(files, node, [...flags, ...COMPILE_FLAGS, join(temporary, "start", "compile-modules.cjs"), modules]);
  await buildEncoders();
  await buildTimelinePage(join(temporary, "timeline.html"));
  const assets = [
    ...readdirSync(modules).map((name) => join(modules, name)),
    join(temporary, "start", "embedded.cjs"),
    ...ENCODERS.map(({ name }) => join(ROOT, "dist", name)),
    join(temporary, "timeline.html"),
    RUNTIME,
  ];
  const config = {
    // Part of the executable, so it must not contain the temporary directory's name.
    main: join("start", "binary.cjs"),
    output: join(made, PROGRAM),
    executable: node,
    disableExperimentalSEAWarning: true,
    execArgv: flags,
    // The command itself handles arguments and NODE_OPTIONS.
    execArgvExtension: "none",
    assets: Object.fromEntries(assets.map((path) => [basename(path), path])),
  };
  const file = join(temporary, "sea.json");
  writeFileSync(file, JSON.stringify(config));
  runTool(process.execPath, ["--build-sea", file], { cwd: temporary });
  return sources;
}

/**
 * Checks a directory that an earlier build made, perhaps on another machine.
 * @throws Error if a file is missing, truncated, or for another architecture
 */
export function checkBinary(architecture: Architecture, directory: string): void {
  for (const [name, { isElf }] of BINARY_FILES) {
    const path = join(directory, name);
    if (!existsSync(path)) throw new Error(`${path} does not exist\nMake it with npm run build:binary`);
    if (isElf) checkElf(readFileSync(path), path, architecture);
  }
}

const isNative = (architecture: Architecture) => ARCHITECTURES[architecture] === process.arch;

/** @throws Error if the executable does not start */
function checkStart(files: Files): void {
  const { architecture, made } = files;
  const version = isNative(architecture)
    ? runTool(join(made, "exporter"), ["-version"], { env: START_ENVIRONMENT })
    : runProgram(files, join(made, PROGRAM), ["-version"]);
  if (version.trim() === "") throw new Error(`${made}: -version prints nothing`);
}

/** Runs a program as the launcher does: with the loader and the libraries of its directory. */
function runProgram({ architecture, made }: Files, program: string, args: readonly string[]): string {
  const loader = [join(made, LOADER), "--inhibit-cache", "--library-path", made, program, ...args];
  const [command = "", ...rest] = isNative(architecture) ? loader : [EMULATORS[architecture], ...loader];
  const remedy = `Install qemu-user-static, or build for this machine's architecture only: --arch`;
  return runTool(command, rest, { env: START_ENVIRONMENT, remedy });
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      arch: { type: "string", default: Object.keys(ARCHITECTURES).join(",") },
      out: { type: "string", default: join(ROOT, "dist", "binary") },
    },
  });
  const architectures = values.arch.split(",");
  const unknown = architectures.find((name) => !(name in ARCHITECTURES));
  if (unknown !== undefined)
    throw new Error(`--arch ${unknown}: it is one of ${Object.keys(ARCHITECTURES).join(", ")}`);
  for (const architecture of architectures as Architecture[]) {
    const directory = join(values.out, `linux-${architecture}`);
    await buildBinary(architecture, directory);
    console.log(directory);
  }
}

if (import.meta.main) await runScript(USAGE, main);
