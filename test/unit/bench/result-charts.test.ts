import { expect, test } from "vitest";
import { appReadyRows, comparedCells } from "../../bench/report/result-charts.ts";
import type { StoredCell } from "../../bench/results.ts";

type StoredResult = StoredCell["results"][number];

function result(
  name: string,
  kind: "tandem" | "reference",
  mode: "series" | "parallel",
  appReadyMs: number,
): StoredResult {
  const run = { wallMs: 2 * appReadyMs, cpuMs: 0, peakBytes: 0, writtenBytes: 0, appReadyMs };
  return { contender: { name: `${name} ${mode}`, kind, mode }, runs: [run] };
}

function cell(...results: readonly StoredResult[]): StoredCell {
  const size = { sizeFactor: 1, files: 1, bytes: 2 };
  return { scenario: "java", link: "22", date: "", commit: "", ...size, results: [...results] };
}

test("compares each exporter with itself", () => {
  const measured = cell(
    result("tandem", "tandem", "series", 1000),
    result("reference", "reference", "series", 1000),
    result("tandem", "tandem", "parallel", 1010),
    result("reference", "reference", "parallel", 1400),
  );
  expect(appReadyRows([measured]).map(([name, , , later]) => [name, later])).toEqual([
    ["java: tandem", "1.0%"],
    ["java: reference", "40.0%"],
  ]);
});

test("skips a cell that was measured in one mode only", () => {
  expect(comparedCells([cell(result("tandem", "tandem", "series", 1))])).toEqual([]);
});
