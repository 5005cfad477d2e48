import { readFileSync, type Stats, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { sliceApp } from "../../../src/layers/app-slices.ts";
import type { WalkedPath } from "../../../src/layers/walk.ts";
import { fromByteString, toByteString } from "../../../src/oci/byte-string.ts";

const stats: Stats = statSync(".");

interface Branch {
  readonly [name: string]: Branch;
}

/** The walk of a tree given by its paths, as the file system would give it: children in byte order, pre-order. */
function snapshot(paths: readonly string[], root = "/workspace"): WalkedPath[] {
  const tree = {};
  for (const path of paths) {
    let at: Record<string, Branch> = tree;
    for (const name of path.split("/").filter((part) => part !== "")) {
      at[name] ??= {};
      at = at[name] as Record<string, Branch>;
    }
  }
  const visit = (path: string, branch: Branch, depth: number): WalkedPath[] => [
    { path, stats, depth },
    ...Object.keys(branch)
      .sort()
      .flatMap((name) => visit(`${path === "/" ? "" : path}/${name}`, branch[name] as Branch, depth + 1)),
  ];
  return visit(root, tree, 0);
}

function slice(paths: readonly string[], slices: readonly (readonly string[])[], root = "/workspace"): string[][] {
  const skip = root === "/" ? 1 : root.length + 1;
  return sliceApp(
    snapshot(paths.map(toByteString), root),
    slices.map((patterns) => patterns.map(toByteString)),
  ).map((layer) => layer.map(({ path }) => fromByteString(path.slice(skip)) || "."));
}

describe("contract 4.3", () => {
  const cases: [string, string[], string[][], string[][]][] = [
    ["no slices: one layer with all", ["a", "d/x"], [], [[".", "a", "d", "d/x"]]],
    ["the first slice wins", ["a", "b"], [["a"], ["*"]], [[".", "a"], [".", "b"], []]],
    ["byte order of full paths", ["a/x", "a.txt", "a-b"], [], [[".", "a", "a-b", "a.txt", "a/x"]]],
    ["a directory takes all below it", ["d/e/f"], [["d"]], [[".", "d", "d/e", "d/e/f"], []]],
    [
      "a partly taken directory comes again in the rest",
      ["d/x", "d/y"],
      [["d/x"]],
      [
        [".", "d", "d/x"],
        [".", "d", "d/y"],
      ],
    ],
    [
      "a directory whose children are all taken does not",
      ["d/x", "y"],
      [["d/*"]],
      [
        [".", "d", "d/x"],
        [".", "y"],
      ],
    ],
    ["patterns are cleaned", ["d/x"], [["./q/..//d/x/"]], [[".", "d", "d/x"], []]],
    ["patterns cannot leave the app", ["a"], [["../*", "/*", "..", ".", ""]], [[], [".", "a"]]],
    ["a slice that matches nothing is empty", ["a"], [["b"]], [[], [".", "a"]]],
    [
      "an empty directory can be taken",
      ["e", "f"],
      [["e"]],
      [
        [".", "e"],
        [".", "f"],
      ],
    ],
  ];
  test.each(cases)("%s", (_, tree, slices, layers) => {
    expect(slice(tree, slices)).toEqual(layers);
    expect(slice(tree, slices, "/")).toEqual(layers);
  });

  test("a malformed pattern is the reference's error, noticed only if there is a file", () => {
    expect(() => slice(["x"], [["[a"]])).toThrow("failed to check if 'x' matches '[a': syntax error in pattern");
    expect(slice([], [["[a"]])).toEqual([[], ["."]]);
  });
});

/** Trees, slices and what the reference's Factory.SliceLayers wrote, parents of the app directory left out. */
const recorded = z
  .array(
    z.object({
      tree: z.array(z.string()).nullable(),
      slices: z.array(z.array(z.string())),
      layers: z.array(z.array(z.string())).nullable(),
      error: z.string().optional(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL("../../../fixtures/app-slices.json", import.meta.url), "utf8")));

function outcome(tree: readonly string[], slices: readonly (readonly string[])[]) {
  try {
    return { layers: slice(tree, slices), error: undefined };
  } catch (error) {
    return { layers: null, error: error instanceof Error ? error.message : "" };
  }
}

test("the reference's slices, recorded", () => {
  expect(recorded.length).toBeGreaterThan(250);
  for (const { tree, slices, layers, error } of recorded) {
    const paths = (tree ?? []).map((path) => path.split(" -> ")[0] as string);
    expect({ tree, slices, ...outcome(paths, slices) }).toEqual({ tree, slices, layers, error });
  }
});
