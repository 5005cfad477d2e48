import { expect, test } from "vitest";
import { mergeResults, readResults, type StoredCell, type StoredResults, writeResults } from "../../bench/results.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

function cell(scenario: string, link: string, commit: string): StoredCell {
  const run = { wallMs: 1234.567891, cpuMs: 10, peakBytes: 5, writtenBytes: 0 };
  const contender = { name: "ours", kind: "tandem" as const, mode: "series" as const };
  const size = { sizeFactor: 1, files: 1, bytes: 2 };
  return { scenario, link, date: "2026-01-01", commit, ...size, results: [{ contender, runs: [run] }] };
}

const results = (machine: string, ...cells: readonly StoredCell[]): StoredResults => ({
  machine: [machine],
  front: [],
  cells: [...cells],
  points: [],
  creator: [],
});

test("a later run replaces its own cells and keeps the rest", () => {
  const earlier = results("one", cell("java", "free", "a"), cell("java", "22", "a"), cell("go", "free", "a"));
  const merged = mergeResults(earlier, results("one", cell("java", "22", "b"), cell("tiny", "free", "b")));
  const names = merged.cells.map(({ scenario, link, commit }) => `${scenario} ${link} ${commit}`);
  expect(names).toEqual(["java free a", "java 22 b", "go free a", "tiny free b"]);
});

test("points are kept by series and amount", () => {
  const point = (amount: number, commit: string) => ({ series: "tags", amount, date: "", commit, runs: [] });
  const earlier = { ...results("one"), points: [point(1, "a"), point(2, "a")] };
  const { points } = mergeResults(earlier, { ...results("one"), points: [point(2, "b")] });
  expect(points.map(({ amount, commit }) => `${amount} ${commit}`)).toEqual(["1 a", "2 b"]);
});

test("figures of another machine are dropped", () => {
  const now = results("two", cell("go", "free", "b"));
  expect(mergeResults(results("one", cell("java", "free", "a")), now)).toEqual(now);
});

test("written results are read back, with a line for each cell", () => {
  const directory = tempTree();
  expect(readResults(directory)).toBeUndefined();
  writeResults(directory, results("one", cell("java", "free", "a"), cell("go", "free", "a")));
  const read = readResults(directory);
  expect(read?.cells.map(({ scenario }) => scenario)).toEqual(["java", "go"]);
  expect(read?.cells[0]?.results[0]?.runs[0]?.wallMs).toBe(1234.5679);
});
