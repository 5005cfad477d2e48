import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempTree } from "./temp-tree.ts";

/** A file of a file system that is mounted for a test. */
export interface OddFile {
  readonly contents: string;
  /** The size that the file system reports, in bytes; default: that of the contents. */
  readonly reportedSize?: number;
  /** What is different each time that the file system is asked for it. */
  readonly changes?: "times" | "times and contents";
}

const PROGRAM = join(import.meta.dirname, "odd-file-system-program.ts");

/**
 * Mounts a FUSE file system that makes up a new inode number whenever it is asked for one, as some do that have no inodes. A
 * process of its own serves it: one that served itself could not be killed while it waits for an answer. It is unmounted when
 * the test is over.
 * @param files by their paths
 * @returns where it is mounted; undefined where this process may not mount one
 */
export async function mountOddFileSystem(files: Readonly<Record<string, OddFile>>): Promise<string | undefined> {
  const path = tempTree();
  const server = spawn(process.execPath, [PROGRAM, path], { stdio: ["pipe", "pipe", "ignore"] });
  server.stdin.write(`${JSON.stringify(files)}\n`);
  const ended = once(server, "exit");
  const isMounted = await Promise.race([
    once(server.stdout, "data").then(([line]) => String(line) === "mounted\n"),
    ended.then(() => false),
  ]);
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await ended;
    if (isMounted) await once(spawn("umount", ["-l", path]), "exit");
  });
  return isMounted ? path : undefined;
}
