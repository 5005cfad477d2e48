import { expect, test } from "vitest";
import { parseSelection } from "../../bench/arguments.ts";

const cellsOf = (...args: readonly string[]): string[] =>
  parseSelection(args, "/root").cells.map(({ scenario, link }) => `${scenario.name} ${link.name}`);

test.each([
  [
    ["--scenario", "java,go", "--link", "free,22"],
    ["java free", "java 22", "go free", "go 22"],
  ],
  [["--scenario", "tiny"], ["tiny free"]],
  [["--scenario", "large-4g"], ["large-4g free"]],
  [
    ["--scenario", "shared", "--all"],
    ["shared free", "shared 22", "shared 22-shared"],
  ],
])("%j", (args, cells) => {
  expect(cellsOf(...args)).toEqual(cells);
});

test("without a choice: every scenario but the one that takes long", () => {
  const scenarios = new Set(cellsOf().map((cell) => cell.split(" ")[0]));
  expect(scenarios).not.toContain("large-4g");
  expect(scenarios.size).toBeGreaterThan(8);
});

test.each([
  [["--quick"], { kind: "compare", cells: [], writeTo: undefined, against: undefined }],
  [["--against", "v1"], { kind: "compare", against: "v1" }],
  [["--size", "0.1", "--runs", "5", "--out", "/elsewhere"], { rounds: 5, sizeFactor: 0.1, writeTo: "/elsewhere" }],
  [["--write"], { kind: "measure", writeTo: "/root" }],
  [["--scale"], { cells: [], growth: true, writeTo: undefined }],
  [["--report"], { kind: "report", writeTo: "/root" }],
  [["--out", "/elsewhere"], { rounds: 3, sizeFactor: 1, writeTo: "/elsewhere" }],
  [["--workers", "1,4"], { workers: [1, 4] }],
  [["--build-cost"], { cells: [], buildCost: true, creatorLinks: [] }],
  [["--creator", "--link", "5"], { cells: [], creatorLinks: [{ name: "free" }, { name: "5" }] }],
])("%j", (args, expected) => {
  expect(parseSelection(args, "/root")).toMatchObject(expected);
});

test("the front page is measured on loopback and on one link", () => {
  expect(new Set(parseSelection(["--front"], "/root").cells.map(({ link }) => link.name))).toEqual(
    new Set(["free", "22"]),
  );
});

test.each([
  [["--scenario", "none"], /no scenario none/],
  [["--link", "fast", "--scenario", "tiny"], /a link is free, .* not fast/],
  [["--runs", "0"], /--runs takes whole numbers/],
  [["--size", "none"], /--size takes a number above 0/],
  [["--size", "0.1", "--write"], /not for the project's report/],
  [["--quick", "--write"], /--quick has no use for --write/],
  [["--scenario", "tiny", "--quick"], /--quick has no use for --scenario/],
  [["--against", "v1", "--size", "0.1"], /--against has no use for --size/],
  [["--report", "--link", "22"], /--report has no use for --link/],
  [["--front", "--scenario", "tiny"], /--front has no use for --scenario/],
  [["--workers", "1,two"], /--workers takes whole numbers/],
])("%j is refused", (args, message) => {
  expect(() => parseSelection(args, "/root")).toThrow(message);
});
