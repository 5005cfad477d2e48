import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readNames } from "../../../../workers/scan/directory-names.ts";
import { walk } from "../../../../workers/scan/walk.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { thrownBy } from "../../../support/thrown-by.ts";

const TREE = Object.fromEntries(
  ["a/x", "a/x-/y", "a/x.txt", "a-/b", "a--/c", "a-b", "a.txt", "a0", "a b/z/1", "B", "é/f"].map((path) => [path, ""]),
);

describe("the order of a walk", () => {
  const relative = (root: string, order: "walk" | "path") =>
    [...walk(root, order)].map(({ path }) => Buffer.from(path.slice(root.length + 1), "latin1").toString());

  test("by full path is the byte order of all paths", () => {
    const paths = relative(tempTree(TREE), "path");
    expect(paths).toEqual([...paths].sort());
    expect(paths).toHaveLength(19);
  });

  test.each(["walk", "path"] as const)(
    "%s: work in a cache directory is left out, what is beside it is not",
    (order) => {
      const root = tempTree({ "staging/x": "", "staging-tandem/lock": "" });
      expect(relative(root, order)).toEqual(["", "staging", "staging/x"]);
    },
  );

  test("as in Go enters a directory at once", () => {
    const root = tempTree(TREE);
    expect(relative(root, "walk").slice(0, 11)).toEqual([
      "",
      "B",
      "a",
      "a/x",
      "a/x-",
      "a/x-/y",
      "a/x.txt",
      "a b",
      "a b/z",
      "a b/z/1",
      "a-",
    ]);
    expect(relative(root, "walk").sort()).toEqual(relative(root, "path"));
  });

  test.each(["walk", "path"] as const)("%s: each path names the number of its directory", (order) => {
    const all = [...walk(tempTree(TREE), order)];
    all.forEach(({ number, parent, path }, i) => {
      expect(number).toBe(i);
      if (i > 0) expect(all[parent]?.path).toBe(path.slice(0, path.lastIndexOf("/")));
    });
  });
});

test("a walk ends at the first path beyond its limit, and reads no more names of a directory", () => {
  const root = tempTree({ a: "", b: "", "c/d": "" });
  expect([...walk(root, "walk", 5)]).toHaveLength(5);
  expect(() => [...walk(root, "walk", 4)]).toThrow("more than 4 entries");
  expect(readNames(root, 0, 3).next).toBe("a");
  expect(() => readNames(root, 0, 2)).toThrow("more than 2 entries");
});

describe("a directory replaced during the walk", () => {
  const moments = { "before it is read": "dir", "while it is walked": "dir/a" };
  const replacements = {
    "by a symlink": (path: string) => symlinkSync("old", path),
    "by another directory": (path: string) => mkdirSync(path),
  };
  test.each(
    Object.entries(moments).flatMap(([when, at]) =>
      Object.entries(replacements).map(([how, replace]) => ({ when, at, how, replace })),
    ),
  )("$how, $when", ({ at, how, replace }) => {
    const root = tempTree({ "dir/a": "", "dir/b": "", z: "" });
    const seen: string[] = [];
    const walking = () => {
      for (const { path } of walk(root)) {
        seen.push(path.slice(root.length + 1));
        if (seen.at(-1) !== at) continue;
        renameSync(join(root, "dir"), join(root, "old"));
        replace(join(root, "dir"));
        for (const name of ["a", "b"]) writeFileSync(join(root, "dir", name), "");
      }
    };
    const fault = thrownBy(walking);
    expect(fault).toMatchObject({
      message: `file changed while it was exported: ${root}/dir was replaced${how === "by a symlink" ? " by a symlink" : ""}`,
      hint: expect.stringContaining("nothing writes"),
    });
    expect(seen).not.toContain("z");
  });

  test("the fault names a removed path", () => {
    const root = tempTree({ "dir/a": "", "dir/b": "" });
    const fault = thrownBy(() => {
      for (const { path } of walk(root)) if (path.endsWith("/a")) rmSync(join(root, "dir/b"));
    });
    expect(fault).toMatchObject({
      message: `lstat ${root}/dir/b: no such file or directory`,
      hint: expect.stringContaining("nothing writes"),
    });
  });
});
