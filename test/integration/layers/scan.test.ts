import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { fsPath } from "../../../src/go/byte-string.ts";
import { TAR_TYPE } from "../../../src/go/tar-header.ts";
import type { LocalSource } from "../../../src/plan/layers.ts";
import { readNames } from "../../../workers/scan/directory-names.ts";
import { scanSource } from "../../../workers/scan/scan.ts";
import type { IndexedEntry } from "../../../workers/scan/tar-index.ts";
import { walk } from "../../../workers/scan/walk.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { allEntries, wholeTar } from "../../support/images/tar-entries.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const isRoot = process.getuid?.() === 0;

function scanAll(source: LocalSource): IndexedEntry[][] {
  return scanSource(source).map(allEntries);
}

/** Entries of the directory layer of `path` by relative name, without its parents. */
function scanDirectory(path: string): Map<string, IndexedEntry> {
  const [entries = []] = scanAll({ kind: "directory", path, uid: 1000, gid: 2000 });
  return new Map(
    entries.filter(({ name }) => name.startsWith(path)).map((entry) => [entry.name.slice(path.length + 1), entry]),
  );
}

describe("a directory layer", () => {
  test("modes keep setuid, setgid and sticky and lose the file type", () => {
    const root = tempTree();
    for (const [name, mode] of [
      ["suid", 0o4755],
      ["sgid", 0o2755],
      ["plain", 0o640],
      ["none", 0],
    ] as const) {
      writeFileSync(join(root, name), "x");
      chmodSync(join(root, name), mode);
    }
    mkdirSync(join(root, "sticky"));
    chmodSync(join(root, "sticky"), 0o1777);
    const entries = scanDirectory(root);
    expect([...entries].map(([name, { mode, type }]) => [name, mode.toString(8), type])).toEqual([
      ["", "700", TAR_TYPE.directory],
      ["none", "0", TAR_TYPE.file],
      ["plain", "640", TAR_TYPE.file],
      ["sgid", "2755", TAR_TYPE.file],
      ["sticky", "1777", TAR_TYPE.directory],
      ["suid", "4755", TAR_TYPE.file],
    ]);
    expect([...entries.values()].every(({ uid, gid }) => uid === 1000 && gid === 2000)).toBe(true);
  });

  test("every name of a hard-linked file is a file with contents", () => {
    const root = tempTree();
    writeFileSync(join(root, "a"), "same contents");
    linkSync(join(root, "a"), join(root, "b"));
    const entries = scanDirectory(root);
    for (const name of ["a", "b"])
      expect(entries.get(name)).toMatchObject({ type: TAR_TYPE.file, size: 13, linkName: "" });
    const [index] = scanSource({ kind: "directory", path: root, uid: 0, gid: 0 });
    expect(wholeTar(index!).toString("latin1").split("same contents")).toHaveLength(3);
  });

  test("FIFOs are kept, sockets are skipped", async () => {
    const root = tempTree();
    execFileSync("mkfifo", ["-m", "640", join(root, "fifo")]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, "socket"), resolve));
    onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
    const entries = scanDirectory(root);
    expect([...entries.keys()]).toEqual(["", "fifo"]);
    expect(entries.get("fifo")).toMatchObject({ type: TAR_TYPE.fifo, size: 0, mode: 0o640 });
  });

  test("devices have the numbers that mknod was given", (context) => {
    if (!isRoot) return context.skip("needs root to make a device node");
    const root = tempTree();
    const nodes = [
      ["char", "c", 1, 3],
      ["large", "c", 4095, 1048575],
      ["block", "b", 259, 70000],
    ] as const;
    for (const [name, type, major, minor] of nodes) {
      try {
        execFileSync("mknod", ["-m", "660", join(root, name), type, String(major), String(minor)], { stdio: "pipe" });
      } catch {
        return context.skip("this container may not make device nodes");
      }
    }
    const entries = scanDirectory(root);
    for (const [name, type, deviceMajor, deviceMinor] of nodes)
      expect(entries.get(name)).toMatchObject({
        type: type === "c" ? TAR_TYPE.charDevice : TAR_TYPE.blockDevice,
        deviceMajor,
        deviceMinor,
        size: 0,
        mode: 0o660,
      });
  });

  test("symlinks are not followed; their targets are raw bytes", () => {
    const root = tempTree();
    mkdirSync(join(root, "directory"));
    writeFileSync(join(root, "directory", "x"), "");
    symlinkSync("directory", join(root, "link"));
    symlinkSync("/no/where//./x/..", join(root, "raw"));
    symlinkSync(Buffer.from("\xff/t", "latin1"), join(root, "bytes"));
    const entries = scanDirectory(root);
    expect([...entries.keys()]).toEqual(["", "bytes", "directory", "directory/x", "link", "raw"]);
    for (const [name, linkName] of [
      ["link", "directory"],
      ["raw", "/no/where//./x/.."],
      ["bytes", "\xff/t"],
    ])
      expect(entries.get(name as string)).toMatchObject({ type: TAR_TYPE.symlink, linkName, mode: 0o777, size: 0 });
  });

  test("names that are not UTF-8, and names of 255 bytes", () => {
    const root = tempTree();
    const long = `${"\xc3\xa9".repeat(127)}z`;
    for (const name of ["\xff\xfe", "a\x80", long, "new\nline", "\\", " "])
      writeFileSync(fsPath(`${root}/${name}`), `contents of ${name}`, "latin1");
    const entries = scanDirectory(root);
    expect([...entries.keys()].sort()).toEqual(["", " ", "\\", "a\x80", "new\nline", long, "\xff\xfe"].sort());
    const [index] = scanSource({ kind: "directory", path: root, uid: 0, gid: 0 });
    const tar = wholeTar(index!).toString("latin1");
    for (const name of entries.keys()) if (name !== "") expect(tar).toContain(`contents of ${name}`);
  });

  test("40 levels, each parent before what is below it", () => {
    const root = tempTree();
    let path = root;
    for (let level = 0; level < 40; level++) {
      path = join(path, `level-${level}`);
      mkdirSync(path);
      writeFileSync(join(path, "file"), String(level));
    }
    const names = [...scanDirectory(root).keys()];
    expect(names).toHaveLength(81);
    names.forEach((name, i) => {
      if (name !== "") expect(names.indexOf(name.split("/").slice(0, -1).join("/"))).toBeLessThan(i);
    });
  });

  test("the order is by name within a directory, the tree below at once", () => {
    const root = tempTree();
    for (const name of ["a", "B", "a b", "é", "_", "a0"]) mkdirSync(join(root, name));
    for (const name of ["a/x", "a.txt", "a-b", "a/-", "é/y", "Z", "~"]) writeFileSync(join(root, name), "");
    expect([...scanDirectory(root).keys()]).toEqual([
      "",
      "B",
      "Z",
      "_",
      "a",
      "a/-",
      "a/x",
      "a b",
      "a-b",
      "a.txt",
      "a0",
      "~",
      "\xc3\xa9",
      "\xc3\xa9/y",
    ]);
  });

  test("parents come first with their own mode and owner, symlinks followed, the root with none", () => {
    const root = realpathSync(tempTree());
    mkdirSync(join(root, "real"));
    mkdirSync(join(root, "real", "layer"));
    chmodSync(join(root, "real"), 0o2751);
    if (isRoot) chownSync(join(root, "real"), 4294967294, 77);
    symlinkSync("real", join(root, "link"));
    const path = join(root, "link", "layer");
    const [entries = []] = scanAll({ kind: "directory", path, uid: 5, gid: 6 });
    const above = root
      .split("/")
      .filter((part) => part !== "")
      .map((_, i, all) => `/${all.slice(0, i + 1).join("/")}`);
    expect(entries.map(({ name }) => name)).toEqual([...above, join(root, "link"), path]);
    expect(entries.at(-2)).toMatchObject({
      type: TAR_TYPE.directory,
      linkName: "",
      mode: 0o2751,
      ...(isRoot ? { uid: 4294967294, gid: 77 } : {}),
    });
    expect(entries.at(-1)).toMatchObject({ type: TAR_TYPE.directory, uid: 5, gid: 6 });
    const top = lstatSync(above[0] as string);
    expect(entries[0]).toMatchObject({ mode: top.mode & 0o7777, uid: top.uid, gid: top.gid });
  });

  test("fails with the reference's error when it is missing", () => {
    const root = tempTree();
    const source = { kind: "directory", path: `${root}/x/y`, uid: 0, gid: 0 } as const;
    expect(thrownBy(() => scanSource(source))).toMatchObject({
      code: "EXPORT_LAYER_READ",
      message: `stat ${root}/x: no such file or directory`,
    });
    expect(thrownBy(() => scanSource({ ...source, path: `${root}/x` }))).toMatchObject({
      message: `lstat ${root}/x: no such file or directory`,
    });
    expect(thrownBy(() => readNames(`${root}/x`, 0))).toMatchObject({
      message: `open ${root}/x: no such file or directory`,
    });
  });

  test("a single file is a walk of one", () => {
    const path = join(tempTree(), "file");
    writeFileSync(path, "");
    expect([...walk(path)]).toMatchObject([{ path, number: 0, parent: 0 }]);
  });
});

describe("app slices", () => {
  test("full-path order, parents only where there are entries, one index per slice and the rest", () => {
    const app = join(tempTree(), "app");
    mkdirSync(join(app, "a"), { recursive: true });
    for (const name of ["a/x", "a.txt", "a-b", "b"]) writeFileSync(join(app, name), "");
    const source = { kind: "app-slice", appDir: app, slices: [["a*"], ["nothing"]], index: 0, uid: 1, gid: 2 } as const;
    const layers = scanAll(source).map((entries) => entries.map(({ name }) => name));
    const parents = app
      .split("/")
      .slice(1, -1)
      .map((_, i, all) => `/${all.slice(0, i + 1).join("/")}`);
    expect(layers).toEqual([
      [...parents, app, ...["a", "a-b", "a.txt", "a/x"].map((name) => join(app, name))],
      [],
      [...parents, app, join(app, "b")],
    ]);
    expect(scanSource(source)[1]?.tarSize).toBe(1024);
  });

  test("a socket is in no slice", async () => {
    const app = tempTree();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(app, "socket"), resolve));
    onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
    const [slice = [], rest = []] = scanAll({
      kind: "app-slice",
      appDir: app,
      slices: [["*"]],
      index: 0,
      uid: 1,
      gid: 2,
    });
    expect(slice.map(({ name }) => name)).toEqual(expect.not.arrayContaining([join(app, "socket")]));
    expect(rest).toEqual([]);
  });
});

describe("the launcher and the process types", () => {
  test("a launcher behind a symlink is read; its own mode and owner are not used", () => {
    const root = tempTree();
    writeFileSync(join(root, "binary"), "#!launcher");
    chmodSync(join(root, "binary"), 0o600);
    symlinkSync("binary", join(root, "launcher"));
    const [index] = scanSource({ kind: "launcher", path: join(root, "launcher") });
    expect(allEntries(index!).map(({ name, mode, uid, gid, size }) => [name, mode, uid, gid, size])).toEqual([
      ["/cnb", 0o755, 0, 0, 0],
      ["/cnb/lifecycle", 0o755, 0, 0, 0],
      ["/cnb/lifecycle/launcher", 0o755, 0, 0, 10],
    ]);
    expect(wholeTar(index!).toString("latin1", 3 * 512, 3 * 512 + 10)).toBe(
      readFileSync(join(root, "binary"), "latin1"),
    );
  });

  test("a directory as launcher fails as the reference does when it reads it", () => {
    const path = tempTree();
    expect(thrownBy(() => scanSource({ kind: "launcher", path }))).toMatchObject({
      message: `failed to write launcher to layer: read ${path}: is a directory`,
    });
  });

  test("a missing launcher fails with the reference's error", () => {
    const path = join(tempTree(), "launcher");
    expect(thrownBy(() => scanSource({ kind: "launcher", path }))).toMatchObject({
      code: "EXPORT_LAYER_LAUNCHER",
      message: `failed to stat launcher at path '${path}': stat ${path}: no such file or directory`,
    });
  });

  test("process types in the given order, duplicates kept", () => {
    const [entries = []] = scanAll({ kind: "process-types", types: ["web", "worker", "web"] });
    expect(entries.map(({ name, linkName }) => [name, linkName])).toEqual([
      ["/cnb", ""],
      ["/cnb/process", ""],
      ["/cnb/process/web", "/cnb/lifecycle/launcher"],
      ["/cnb/process/worker", "/cnb/lifecycle/launcher"],
      ["/cnb/process/web", "/cnb/lifecycle/launcher"],
    ]);
  });
});
