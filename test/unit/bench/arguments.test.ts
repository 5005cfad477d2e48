import { expect, test } from "vitest";
import { parseSelection } from "../../bench/arguments.ts";

const cellsOf = (...args: readonly string[]): string[] =>
  parseSelection(args, "/root")?.cells.map(({ scenario, link }) => `${scenario.name} ${link.name}`) ?? [];

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
  [["--quick"], { rounds: 1, sizeFactor: 0.1, writeTo: undefined }],
  [["--quick", "--runs", "5", "--out", "/elsewhere"], { rounds: 5, writeTo: "/elsewhere" }],
  [["--write"], { writeTo: "/root" }],
  [["--scale"], { cells: [], growth: true, writeTo: undefined }],
  [["--report"], { isReport: true, writeTo: "/root" }],
  [["--out", "/elsewhere"], { rounds: 3, sizeFactor: 1, writeTo: "/elsewhere" }],
  [["--workers", "1,4"], { workers: [1, 4] }],
])("%j", (args, expected) => {
  expect(parseSelection(args, "/root")).toMatchObject(expected);
});

test.each([
  [["--scenario", "none"], /no scenario none/],
  [["--link", "fast"], /a link is free, .* not fast/],
  [["--runs", "0"], /--runs takes whole numbers/],
  [["--quick", "--write"], /not for the project's report/],
  [["--workers", "1,two"], /--workers takes whole numbers/],
])("%j is refused", (args, message) => {
  expect(() => parseSelection(args, "/root")).toThrow(message);
});

test("help", () => {
  expect(parseSelection(["--help"], "/root")).toBeUndefined();
});
