import {
  chmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { type BuildOutput, buildpackDirectory } from "../build/build-output.ts";
import { BUILD_USER } from "../build/builder.ts";
import { readTree } from "../files/file-tree.ts";
import { seededBytes } from "../random.ts";

export const AS_BUILD_USER = ["-uid", String(BUILD_USER.uid), "-gid", String(BUILD_USER.gid)];

/** 1980-01-01T00:00:01Z, the time of every file in a layer (docs/compatibility.md#tar-entries). */
const LAYER_TIME_MS = 315_532_801_000;

const LONG = `${"deep-".repeat(19)}er/${"long-".repeat(30)}name`;

/** Paths, modes and contents that tar tools often get wrong; a path that ends in `/` is a directory. */
const FILES: readonly (readonly [path: string, mode: number, content?: string | Buffer])[] = [
  ["empty", 0o600, ""],
  ["setuid", 0o4755, "#!/bin/sh\n"],
  ["setgid", 0o2711, "#!/bin/sh\n"],
  ["read-only", 0o400, "secret\n"],
  ["several-blocks", 0o644, seededBytes(5 << 19, 9)],
  ["sticky/", 0o1777],
  ["sticky/inside", 0o666, "anyone\n"],
  ["closed/", 0o700],
  ["empty-directory/", 0o755],
  [LONG, 0o644, "far away\n"],
  ["naïve ☃ 文", 0o644, "unicode\n"],
  ["with space, 'quotes' and \\", 0o644, "special\n"],
  ["new\nline", 0o644, "two lines\n"],
];

const LINKS: readonly (readonly [path: string, target: string])[] = [
  ["link", "setuid"],
  ["up", "../odd/empty"],
  ["dangling", "/none/such"],
  ["link-far", LONG],
];

/**
 * Adds files that are hard to carry to a build's layer and app, and changes the owner of the whole build to its user.
 */
export function makeOdd(output: BuildOutput): void {
  for (const path of readdirSync(output.root, { recursive: true, encoding: "utf8" })) give(join(output.root, path));
  give(output.root);
  for (const parent of [join(buildpackDirectory(output), "libraries"), output.appDir]) plant(join(parent, "odd"));
}

function give(path: string): void {
  lchownSync(path, BUILD_USER.uid, BUILD_USER.gid);
}

function plant(root: string): void {
  const make = (path: string) => {
    for (let at = dirname(path); at.startsWith(root); at = dirname(at)) give(at);
    give(path);
  };
  mkdirSync(root);
  for (const [name, mode, content] of FILES) {
    const path = join(root, name);
    mkdirSync(content === undefined ? path : dirname(path), { recursive: true });
    if (content !== undefined) writeFileSync(path, content);
    make(path);
    // Changing the owner clears the setuid bit, and the umask clears others.
    chmodSync(path, mode);
  }
  for (const [name, target] of LINKS) {
    symlinkSync(target, join(root, name));
    make(join(root, name));
  }
  linkSync(join(root, "several-blocks"), join(root, "twin"));
}

/** Checks every byte, owner, mode and time of the build's layers and app, and that the image can start. */
export function expectUnpacked(output: BuildOutput, rootfs: string): void {
  const layers = ["jdk", "libraries"].map((name) => join(buildpackDirectory(output), name));
  for (const directory of [...layers, output.appDir])
    expect(readTree(join(rootfs, directory))).toEqual(readTree(directory, { ...BUILD_USER, mtimeMs: LAYER_TIME_MS }));
  expect(readFileSync(join(rootfs, "cnb/lifecycle/launcher"))).toEqual(readFileSync(output.launcher));
  expect(readlinkSync(join(rootfs, "cnb/process/web"))).toBe("/cnb/lifecycle/launcher");
}
