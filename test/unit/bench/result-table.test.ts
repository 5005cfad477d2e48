import { expect, test } from "vitest";
import { comparisons, glance, HEADER, resultRows } from "../../bench/report/result-table.ts";
import type { Contender, Mode } from "../../bench/run/contender.ts";
import type { Result } from "../../bench/run/run-cell.ts";

function result(name: string, kind: Contender["kind"], wallMs: number, mode?: Mode): Result {
  const run = { wallMs, cpuMs: 100, peakBytes: 5e6, writtenBytes: 0 };
  const contender = { name, kind, run: () => Promise.resolve(run), ...(mode === undefined ? {} : { mode }) };
  return { contender, runs: [run] };
}

const RESULTS = [
  result("ours series", "tandem", 500, "series"),
  result("theirs series", "reference", 1000, "series"),
  result("ours parallel", "tandem", 400, "parallel"),
  result("theirs parallel", "reference", 1200, "parallel"),
  result("peer", "peer", 800),
  result("floor", "floor", 200),
];

test("each of ours is compared with the reference in its own mode, and nothing else is", () => {
  const column = HEADER.indexOf("x faster");
  expect(resultRows(RESULTS).map((row) => [row[0], row[column]])).toEqual([
    ["ours series", "2.00"],
    ["theirs series", "-"],
    ["ours parallel", "3.00"],
    ["theirs parallel", "-"],
    ["peer", "-"],
    ["floor", "-"],
  ]);
});

test("at a glance: the last mode of both", () => {
  expect(glance(RESULTS)).toEqual(["0.40", "1.20", "3.00", "1.00", "-", "-", "-"]);
  expect(glance(RESULTS.slice(0, 1))).toBeUndefined();
});

test("the fastest of ours is compared with each peer and floor", () => {
  expect(comparisons(RESULTS)).toEqual([
    "ours parallel takes 0.50 × the time of `peer`.",
    "ours parallel takes 2.00 × the time of `floor`.",
  ]);
  expect(comparisons(RESULTS.slice(0, 2))).toEqual([]);
});
