import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { findProgram } from "../process/find-program.ts";
import { mayMount } from "./mounts.ts";

/** A user that is in no database, as OpenShift runs containers. */
export const ARBITRARY_USER = 54_321;

export interface RunInRoot {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface RootRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @returns why this machine cannot run a program in another root; undefined if it can */
export function rootProblem(): string | undefined {
  if (process.getuid?.() !== 0) return "chroot needs root";
  return mayMount() ? undefined : "namespaces cannot be made here, or nothing mounted in them";
}

/** Hard-links a directory's files, and copies its symlinks, into a root. */
export function linkInto(root: string, path: string, from: string): void {
  const target = join(root, path);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(from)) {
    if (lstatSync(join(from, name)).isSymbolicLink()) symlinkSync(readlinkSync(join(from, name)), join(target, name));
    else linkSync(join(from, name), join(target, name));
  }
}

export function makeRoot(root: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(root, "tmp"), { recursive: true });
  chmodSync(root, 0o755);
  chmodSync(join(root, "tmp"), 0o1777);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** Runs a program of a root, as a user that the root does not know. Mounts /proc if the root has that directory. */
export function runInRoot(root: string, run: RunInRoot): Promise<RootRun> {
  return ended(spawn("unshare", ["--mount", "sh", "-c", START, root, ...run.args], stdioOf(run)));
}

const START = `[ ! -d "$0/proc" ] || mount --rbind /proc "$0/proc" || exit 1
exec chroot --userspec=${ARBITRARY_USER}:${ARBITRARY_USER} "$0" "$@"`;

/**
 * 64-bit ELF for machine 183, as in qemu's own registration. The flag F opens the interpreter now, so that roots need
 * none.
 */
const AARCH64 = [
  ":tandem-aarch64:M::",
  String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:`,
  String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:`,
].join("");

const START_EMULATED = `echo ready
read go
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf %s "$REGISTRATION" > /proc/sys/fs/binfmt_misc/register || exit 1
unset REGISTRATION
${START}`;

const QEMU_ARM64 = findProgram("qemu-aarch64-static");

/** @returns why this machine cannot run programs for linux/arm64; undefined if it can */
export function emulationProblem(): string | undefined {
  if (QEMU_ARM64 === undefined) return "qemu-user-static is not installed";
  const formats = ["mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"];
  const { status } = spawnSync("unshare", ["--user", "--map-root-user", "--mount", ...formats]);
  return status === 0 ? undefined : "namespaces have no binary formats of their own (Linux 6.7)";
}

/**
 * Like {@link runInRoot}, for a root of linux/arm64: in a user namespace with its own table of binary formats (Linux
 * 6.7), so that the machine's does not change.
 */
export async function runEmulated(root: string, run: RunInRoot): Promise<RootRun> {
  const child = spawn("unshare", ["--user", "--mount", "sh", "-c", START_EMULATED, root, ...run.args], {
    ...stdioOf(run),
    env: { ...run.env, REGISTRATION: `${AARCH64}${QEMU_ARM64}:FP` },
    stdio: ["pipe", "pipe", "pipe"],
  });
  await once(child.stdout, "data");
  const result = ended(child);
  for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${child.pid}/${map}`, "0 0 100000\n");
  child.stdin.end("go\n");
  return result;
}

function stdioOf({ env }: RunInRoot) {
  return { env, stdio: ["ignore", "pipe", "pipe"] } satisfies SpawnOptions;
}

async function ended(child: ChildProcess): Promise<RootRun> {
  const output = Promise.all([child.stdout, child.stderr].map((stream) => (stream === null ? "" : text(stream))));
  await once(child, "close");
  const [stdout = "", stderr = ""] = await output;
  return { exitCode: child.exitCode, stdout, stderr };
}
