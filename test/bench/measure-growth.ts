import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tandem } from "./contender.ts";
import { GROWTH } from "./growth-series.ts";
import { parseLink } from "./link-speed.ts";
import { makeBuild } from "./make-build.ts";
import { measuredNow } from "./origin.ts";
import { runCell } from "./run-cell.ts";
import type { StoredPoint } from "./stored-results.ts";

/**
 * Exports each build of each series on loopback, with `-parallel`.
 * @param onPoint told of each as it is measured
 */
export async function measureGrowth(
  { rounds, sizeFactor, workers, tempDir }: { rounds: number; sizeFactor: number; workers: number; tempDir: string },
  onPoint: (point: StoredPoint) => void,
): Promise<void> {
  for (const { name, points } of GROWTH) {
    for (const { amount, scenario, tags } of points) {
      const directory = mkdtempSync(join(tempDir, "build-"));
      const build = makeBuild(directory, scenario, name === "tags" ? 1 : sizeFactor);
      const contender = tandem("parallel", workers, tags);
      const cell = { scenario, link: parseLink("free"), build };
      const results = await runCell(cell, [contender], { rounds, tempDir, onRun: () => undefined });
      rmSync(directory, { recursive: true });
      onPoint({ series: name, amount, ...measuredNow(), runs: results.flatMap(({ runs }) => runs) });
    }
  }
}
