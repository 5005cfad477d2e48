import { expect, test } from "vitest";
import { frontPage } from "../../bench/report/front-page.ts";
import type { StoredCell, StoredResults } from "../../bench/results.ts";

function cell(scenario: string, commit: string, tandemMs: number, referenceMs: number): StoredCell {
  const run = (ms: number) => ({ wallMs: ms, cpuMs: ms, appReadyMs: ms, peakBytes: 1, writtenBytes: 0 });
  const entrant = (kind: "tandem" | "reference", ms: number) => ({
    contender: { name: kind, kind, mode: "parallel" as const },
    runs: [run(ms)],
  });
  const results = [entrant("tandem", tandemMs), entrant("reference", referenceMs)];
  return { scenario, link: "free", date: `2026-01-0${commit}`, commit, sizeFactor: 1, files: 1, bytes: 1, results };
}

function rowsOf(results: Partial<StoredResults>): string[] {
  const all = { machine: ["2 cores", "8 GiB"], front: [], cells: [], points: [], creator: [], ...results };
  return frontPage(all, (name) => name)
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("|  |") && !line.startsWith("| ---"));
}

test("rows compare tandem with the reference", () => {
  expect(rowsOf({ front: [cell("java", "1", 1000, 3000)] })).toEqual([
    "| Java app, first build | 1.00 | 3.00 | 3.0 × | 1.00 | 3.00 | 3.0 × |",
  ]);
});

test("a row measured at an earlier commit is marked", () => {
  const [java, go] = rowsOf({ front: [cell("java", "2", 1, 1), cell("go", "1", 1, 1)] });
  expect(java).toMatch(/^\| Java app, first build \|/);
  expect(go).toMatch(/^\| Go app, first build \[1\] \|/);
});

test("a scenario's own table fills a row that the front page's run has not measured", () => {
  const rows = rowsOf({
    front: [cell("java", "2", 1000, 3000)],
    cells: [cell("java", "1", 9, 9), cell("go", "1", 9, 9)],
  });
  expect(rows.map((row) => row.split(" | ")[0])).toEqual(["| Java app, first build", "| Go app, first build [1]"]);
  expect(rows[0]).toContain("3.00");
});
