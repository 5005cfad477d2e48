import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { OwnedDirectory } from "../../../src/files/owned-directory.ts";
import { canTrace, startOwner } from "../../support/files/start-owner.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const CONTENDER = join(import.meta.dirname, "..", "..", "support", "files", "directory-contender.ts");

/** A process in a new PID namespace, as in another container; `--kill-child` ends it with the wrapper. */
const IN_CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const canUnshare = spawnSync("unshare", [...IN_CONTAINER.slice(1), "true"]).status === 0;

/** Makes locks of a directory's files fail, as on file systems without locks. */
const withoutLocks = (path: string) => ["strace", "-f", "-qq", "-o", "/dev/null", "-P", join(path, "lock")];

describe("a directory", () => {
  test("has one owner at a time, in one process and in several", async () => {
    const path = join(tempTree(), "work");
    const owner = OwnedDirectory.claim(path);
    expect(owner?.isExclusive).toBe(true);
    expect(OwnedDirectory.claim(path)).toBeUndefined();
    expect((await startOwner(path)).answer).toBe("taken");
    owner?.release();
    const next = await startOwner(path);
    expect(next.answer).toBe("owned");
    expect(OwnedDirectory.claim(path)).toBeUndefined();
    await next.release();
    expect(existsSync(path)).toBe(false);
  });

  test("is free again after its owner was killed, with its contents", async () => {
    const path = join(tempTree(), "work");
    const owner = await startOwner(path);
    writeFileSync(join(path, "half a layer"), "");
    await owner.kill();
    const next = OwnedDirectory.claim(path);
    expect(next?.contents()).toEqual([join(path, "half a layer")]);
    next?.release();
    expect(readdirSync(path)).toEqual(["half a layer"]);
  });

  test("cannot be claimed from another container, with other process IDs, until its owner is gone", async (context) => {
    if (!canUnshare) return context.skip("may not make a PID namespace here");
    const path = join(tempTree(), "work");
    const owner = await startOwner(path, ...IN_CONTAINER);
    expect(owner.answer).toBe("owned");
    expect(OwnedDirectory.claim(path)).toBeUndefined();
    expect((await startOwner(path, ...IN_CONTAINER)).answer).toBe("taken");
    await owner.kill();
    await expect.poll(() => OwnedDirectory.claim(path), WAIT).toBeDefined();
  });

  test("has a new owner if it was recreated, and the old owner leaves it alone", () => {
    const path = join(tempTree(), "work");
    const first = OwnedDirectory.claim(path);
    rmSync(path, { recursive: true });
    const second = OwnedDirectory.claim(path);
    expect(second?.isExclusive).toBe(true);
    expect(OwnedDirectory.claim(path)).toBeUndefined();
    first?.release();
    expect(OwnedDirectory.claim(path)).toBeUndefined();
    second?.release();
    second?.release();
    expect(existsSync(path)).toBe(false);
  });

  test("never has two owners under concurrent claims and releases", async () => {
    const root = tempTree();
    const args = [CONTENDER, join(root, "work"), join(root, "marker"), "200"];
    const contend = async () => {
      const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
      const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
      return { exitCode: child.exitCode, stderr };
    };
    for (const run of await Promise.all(Array.from({ length: 4 }, contend)))
      expect(run).toEqual({ exitCode: 0, stderr: "" });
    expect(readdirSync(root)).toEqual([]);
  });

  test("replaces a link or a file, and keeps the link's target", () => {
    for (const kind of ["link", "file"]) {
      const root = tempTree({ "elsewhere/file": "" });
      const path = join(root, "work");
      if (kind === "link") symlinkSync(join(root, "elsewhere"), path);
      else writeFileSync(path, "");
      const owner = OwnedDirectory.claim(path);
      expect(owner?.contents()).toEqual([]);
      owner?.release();
      expect(readdirSync(root)).toEqual(["elsewhere"]);
      expect(readdirSync(join(root, "elsewhere"))).toEqual(["file"]);
    }
  });

  test("cannot be claimed below a file or a missing directory", () => {
    const root = tempTree({ file: "" });
    for (const [parent, code] of [
      ["file", "ENOTDIR"],
      ["missing", "ENOENT"],
    ] as const) {
      expect(thrownBy(() => OwnedDirectory.claim(join(root, parent, "work")))).toMatchObject({
        code,
        syscall: "mkdir",
      });
    }
  });

  test("can be claimed at any path, and is exclusive at those that SQLite can open", () => {
    for (const length of [499, 500, 600, 4080]) {
      const long = `${tempTree()}${`/${"d".repeat(99)}`.repeat(40)}`;
      const parent = long.slice(0, length - 50).replace(/\/$/, "");
      const path = join(parent, "w".repeat(length - parent.length - 1));
      mkdirSync(parent, { recursive: true });
      const owner = OwnedDirectory.claim(path);
      expect([path.length, owner?.isExclusive]).toEqual([length, length < 500]);
      owner?.release();
      expect(existsSync(path)).toBe(false);
    }
  });

  test("is not exclusive on a file system without locks", async (context) => {
    if (!canTrace) return context.skip("there is no strace, or it may not trace");
    const path = join(tempTree(), "work");
    mkdirSync(path);
    const injected = [...withoutLocks(path), "-e", "inject=fcntl:error=ENOSYS"];
    const owners = [await startOwner(path, ...injected), await startOwner(path, ...injected)];
    expect(owners.map(({ answer }) => answer)).toEqual(["unlocked", "unlocked"]);
    for (const owner of owners) await owner.release();
    expect(existsSync(path)).toBe(false);
  });
});
