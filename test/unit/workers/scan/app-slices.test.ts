import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { fromByteString, toByteString } from "../../../../src/go/byte-string.ts";
import { AppSlices } from "../../../../workers/scan/app-slices.ts";

/** A tree, as a walk of the app directory returns it: in byte order, each path with the number of its parent. */
function treeOf(paths: readonly string[]): Map<string, number> {
  const all = new Set(
    paths.flatMap((path) =>
      path
        .replace(/\/$/, "")
        .split("/")
        .map((_, i, parts) => parts.slice(0, i + 1).join("/")),
    ),
  );
  const sorted = ["", ...[...all].filter((path) => path !== "").sort()];
  return new Map(
    sorted.map((path) => [path, Math.max(0, sorted.indexOf(path.slice(0, Math.max(0, path.lastIndexOf("/")))))]),
  );
}

function slice(paths: readonly string[], slices: readonly (readonly string[])[]): string[][] {
  const tree = treeOf(paths.map(toByteString));
  const division = new AppSlices(slices.map((patterns) => patterns.map(toByteString)));
  for (const [path, parent] of tree) division.add(path, parent);
  const layersOf = division.divide();
  const layers: string[][] = Array.from({ length: slices.length + 1 }, () => []);
  for (const [number, path] of [...tree.keys()].entries())
    for (const layer of layersOf(number)) layers[layer]?.push(fromByteString(path) || ".");
  return layers;
}

describe("the reference's rules for slices", () => {
  const cases: [string, string[], string[][], string[][]][] = [
    ["no slices: one layer with all", ["a", "d/x"], [], [[".", "a", "d", "d/x"]]],
    ["the first slice wins", ["a", "b"], [["a"], ["*"]], [[".", "a"], [".", "b"], []]],
    ["byte order of full paths", ["a/x", "a.txt", "a-b"], [], [[".", "a", "a-b", "a.txt", "a/x"]]],
    ["a directory takes all below it", ["d/e/f"], [["d"]], [[".", "d", "d/e", "d/e/f"], []]],
    [
      "a partly taken directory is repeated in the rest",
      ["d/x", "d/y"],
      [["d/x"]],
      [
        [".", "d", "d/x"],
        [".", "d", "d/y"],
      ],
    ],
    [
      "a directory whose children are all taken is not repeated",
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
  });

  test("a malformed pattern fails with the reference's error if there is a file", () => {
    expect(() => slice(["x"], [["[a"]])).toThrow("failed to check if 'x' matches '[a': syntax error in pattern");
    expect(() => slice(["d", "d/x"], [["[a", "[b"], ["[c"]])).toThrow("failed to check if 'd' matches '[a'");
    expect(slice([], [["[a"]])).toEqual([[], ["."]]);
  });
});

/** Trees, slices and the results of the reference's Factory.SliceLayers, without the parents of the app directory. */
const recorded = z
  .array(
    z.object({
      tree: z.array(z.string()).nullable(),
      slices: z.array(z.array(z.string())),
      layers: z.array(z.array(z.string())).nullable(),
      error: z.string().optional(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL("../../../../fixtures/app-slices.json", import.meta.url), "utf8")));

function outcome(tree: readonly string[], slices: readonly (readonly string[])[]) {
  try {
    return { layers: slice(tree, slices), error: undefined };
  } catch (error) {
    return { layers: null, error: error instanceof Error ? error.message : "" };
  }
}

test("files go to the slices that the reference recorded", () => {
  expect(recorded.length).toBeGreaterThan(250);
  for (const { tree, slices, layers, error } of recorded) {
    const paths = (tree ?? []).map((path) => path.split(" -> ")[0] as string);
    expect({ tree, slices, ...outcome(paths, slices) }).toEqual({ tree, slices, layers, error });
  }
});
