import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempTree } from "./temp-tree.ts";

export interface OddFile {
  readonly contents: string;
  /** Size that the file system reports, in bytes; default: that of the contents. */
  readonly reportedSize?: number;
  readonly changes?: "times" | "times and contents";
  /** The file system stops once the file was found. */
  readonly hangs?: boolean;
}

export interface OddMount {
  /** Default: a new directory. */
  readonly path?: string;
  /** Called when a file hangs. */
  readonly onHang?: () => void;
}

const PROGRAM = join(import.meta.dirname, "odd-file-system-program.ts");

/**
 * Mounts a FUSE file system that returns a new inode number for every request, as some do that have no inodes. A
 * separate process serves it: a process that served itself could not be killed while it waits for an answer. Unmounted
 * after the test.
 * @param files by path
 * @returns the mount point; undefined if this process may not mount
 */
export async function mountOddFileSystem(
  files: Readonly<Record<string, OddFile>>,
  { path = tempTree(), onHang }: OddMount = {},
): Promise<string | undefined> {
  const server = spawn(process.execPath, [PROGRAM, path], { stdio: ["pipe", "pipe", "ignore"] });
  server.stdin.write(`${JSON.stringify(files)}\n`);
  const ended = once(server, "exit");
  const isMounted = await Promise.race([
    once(server.stdout, "data").then(([line]) => String(line) === "mounted\n"),
    ended.then(() => false),
  ]);
  if (onHang !== undefined) server.stdout.on("data", onHang);
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await ended;
    if (isMounted) await once(spawn("umount", ["-l", path]), "exit");
  });
  return isMounted ? path : undefined;
}
