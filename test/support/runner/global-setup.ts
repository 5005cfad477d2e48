import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { build } from "../../../scripts/build.ts";
import { ROOT } from "../../../scripts/script.ts";
import { mountsOf } from "../files/mounts.ts";
import { processesOf } from "../process/process-state.ts";

/** Directories outside of TMPDIR that a program like this one could write to by mistake. */
const ELSEWHERE = ["/cnb", "/layers", "/workspace", "/tmp/tandem-case"];

/** Created by container daemons and their tools unless they are given another directory. */
const MADE_ELSEWHERE = ["/run/crun", "/run/libpod", "/run/netns", "/run/runc", "/dev/shm/libpod_lock"];

/**
 * Runs before the first test: builds what `bin/exporter` starts from the current sources, and creates this run's
 * temporary directory, the TMPDIR of all tests.
 * @returns the teardown, which fails the run if anything is left over
 */
export async function setup(): Promise<() => Promise<void>> {
  // Other users run what is built here, and read what tests make.
  process.umask(0o022);
  const closed = closedDirectory(ROOT);
  if (closed !== undefined)
    console.warn(`Tests that run programs as other users fail, who may not enter ${closed}: run chmod o+x ${closed}`);
  await build();
  const outside = process.env.TMPDIR;
  // Short, for the paths of sockets below it, and all lower case, because the reference refuses other layouts in
  // analyzed.toml.
  const scratch = join(tmpdir(), `tandem-tests-${randomBytes(4).toString("hex")}`);
  mkdirSync(scratch);
  // As /tmp: some tests run programs as other users.
  chmodSync(scratch, 0o1777);
  process.env.TMPDIR = scratch;
  // A program that has another TMPDIR is found by this.
  process.env.TANDEM_TEST_RUN = scratch;
  const before = ELSEWHERE.map(stateOf);
  const absent = MADE_ELSEWHERE.filter((path) => !existsSync(path));
  return async () => {
    if (outside === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = outside;
    const mounts = mountsOf(scratch);
    const left = [
      ...readdirSync(scratch).map((name) => `file ${join(scratch, name)}`),
      ...mounts.map((path) => `mount ${path}`),
      ...(await remainingProcesses(scratch)).map((command) => `process ${command}`),
      ...ELSEWHERE.filter((path, i) => stateOf(path) !== before[i]).map((path) => `changed ${path}`),
      ...absent.filter((path) => existsSync(path)).map((path) => `made ${path}`),
    ];
    // A mounted file system must not be removed.
    if (mounts.length === 0) rmSync(scratch, { recursive: true });
    if (left.length === 0) return;
    console.error(`FAILED: the tests left behind\n${left.join("\n")}`);
    // Vitest reports an error here, but exits with success.
    process.exitCode = 1;
  };
}

/** The checkout or a directory above it that other users may not enter, as those of mktemp(1). */
function closedDirectory(path: string): string | undefined {
  if ((lstatSync(path).mode & 1) === 0) return path;
  return path === "/" ? undefined : closedDirectory(dirname(path));
}

function stateOf(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? "absent" : `${stats.ino} ${stats.mtimeMs}`;
}

/** Processes that were just told to end get up to two seconds. */
async function remainingProcesses(directory: string): Promise<string[]> {
  for (let look = 0; look < 20 && processesOf(directory).length > 0; look++) await setTimeout(100);
  return processesOf(directory);
}
