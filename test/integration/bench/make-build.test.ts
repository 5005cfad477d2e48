import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type BenchBuild, makeBuild } from "../../bench/run/make-build.ts";
import type { Scenario } from "../../bench/scenarios.ts";
import { buildpackDirectory } from "../../support/build/build-output.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const SCENARIO: Scenario = {
  name: "test",
  title: "",
  about: "",
  layers: [
    { name: "text", contents: { pool: "text", unit: "bytes", amount: 1_000_000 }, launch: true, cache: false },
    { name: "more", contents: { pool: "text", unit: "compressedBytes", amount: 100_000 }, launch: true, cache: true },
    { name: "many", contents: { pool: "text", unit: "files", amount: 500 }, launch: false, cache: true },
  ],
  app: { pool: "text", unit: "bytes", amount: 100 },
  before: "nothing",
  links: [],
  moreLinks: [],
  modes: [],
};

function filesOf(directory: string): Map<string, number> {
  const entries = readdirSync(directory, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return new Map(
    entries
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(directory.length), statSync(path).size]),
  );
}

function layerOf({ output }: BenchBuild, name: string): Map<string, number> {
  const files = filesOf(join(buildpackDirectory(output), name));
  files.delete("/mark");
  return files;
}

const sum = (files: Map<string, number>): number => [...files.values()].reduce((total, size) => total + size, 0);

test("a build has the requested sizes, shares no file between layers, and is reproducible", () => {
  const builds = [makeBuild(tempTree(), SCENARIO, 0.1), makeBuild(tempTree(), SCENARIO, 0.1)] as const;
  const [text, more, many] = ["text", "more", "many"].map((name) => layerOf(builds[0], name));
  if (text === undefined || more === undefined || many === undefined) throw new Error("a layer is missing");
  expect(sum(text)).toBe(100_000);
  expect(many.size).toBe(50);
  expect(sum(more)).toBeGreaterThan(20_000);
  expect([...text.keys()].filter((path) => more.has(path) || many.has(path))).toEqual([]);
  expect(builds[0].bytes).toBe(sum(text) + sum(more) + sum(many) + 10);
  expect(filesOf(builds[1].output.root)).toEqual(filesOf(builds[0].output.root));
});
