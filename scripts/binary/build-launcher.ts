import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "../run-tool.ts";
import { makeTemporaryDirectory, ROOT } from "../script.ts";
import { ARCHITECTURES, type Architecture } from "./fetch-runtime.ts";

const source = join(ROOT, "launcher", "launcher.c");
const runtime = join(ROOT, "bin", "runtime.sh");
const requirements = join(ROOT, "launcher", "requirements.txt");

const TARGETS = { amd64: "x86_64-freestanding-none", arm64: "aarch64-freestanding-none" } as const;

// Without -rtlib=none zig compiles its compiler-rt, of which the launcher uses nothing.
const FLAGS = [
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Os",
  "-s",
  "-static",
  "-ffreestanding",
  "-nostdlib",
  "-rtlib=none",
];

/** The `require` lines of bin/runtime.sh as calls of the launcher's macro. */
function limits(): string {
  const lines = readFileSync(runtime, "utf8").matchAll(/^require (\w+) (\d+) (\d+) '([^']+)'$/gm);
  return [...lines]
    .map(([, option, least, needed, unit]) => `REQUIRE(${option}, ${least}, ${needed}, "${unit}")`)
    .join(" ");
}

/**
 * Compiles launcher/launcher.c for all architectures, unless its source and flags are unchanged.
 * @returns path of the architecture's launcher
 * @throws Error if the pinned compiler is unavailable
 */
export function buildLauncher(architecture: Architecture): string {
  const dist = join(ROOT, "dist");
  const flags = [...FLAGS, `-DLIMITS=${limits()}`];
  const key = createHash("sha256")
    .update(readFileSync(source))
    .update(readFileSync(requirements))
    .update(flags.join(" "));
  const directory = join(dist, `launcher-${key.digest("hex").slice(0, 16)}`);
  if (!existsSync(directory)) compile(dist, directory, flags);
  return join(directory, architecture);
}

function compile(dist: string, directory: string, flags: readonly string[]): void {
  mkdirSync(dist, { recursive: true });
  const temporary = makeTemporaryDirectory(join(dist, "launcher-"));
  try {
    const compiler = join(temporary, "compiler");
    const options = ["--quiet", "--target", compiler, "--no-deps", "--no-compile", "--require-hashes"];
    runTool("python3", ["-m", "pip", "install", ...options, "--requirement", requirements], {
      remedy: "Install Python 3 with pip (Debian: apt-get install python3-pip)",
    });
    mkdirSync(join(temporary, "made"));
    const env = {
      ...process.env,
      ZIG_GLOBAL_CACHE_DIR: join(temporary, "cache"),
      ZIG_LOCAL_CACHE_DIR: join(temporary, "cache"),
    };
    for (const name of Object.keys(ARCHITECTURES) as Architecture[]) {
      const output = join(temporary, "made", name);
      const args = ["cc", "-target", TARGETS[name], ...flags, "-o", output, source];
      runTool(join(compiler, "ziglang", "zig"), args, { remedy: "Build on linux/amd64 or linux/arm64", env });
    }
    try {
      renameSync(join(temporary, "made"), directory);
    } catch (error) {
      // A concurrent build of the same source was faster.
      if (!existsSync(directory)) throw error;
    }
  } finally {
    rmSync(temporary, { recursive: true });
  }
}
