import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { APP, type Contender, type Entrant, type Run } from "./contender.ts";
import type { Link } from "./links.ts";
import type { BenchBuild } from "./make-build.ts";
import { prepare } from "./prepare.ts";
import { readPushedImage, startRegistryPair } from "./registries.ts";
import type { Scenario } from "./scenarios.ts";

/** All runs of one contender. */
export interface Result {
  readonly contender: Entrant;
  readonly runs: readonly Run[];
}

/** One scenario on one link. */
export interface Cell {
  readonly scenario: Scenario;
  readonly link: Link;
  readonly build: BenchBuild;
}

/**
 * Measures the contenders by turns (A B C A B C), each run with new registries and a new temporary directory.
 * @param onRun told of each run as it ends
 * @throws Error when a run fails, or when two contenders did not export the same layers
 */
export async function runCell(
  cell: Cell,
  contenders: readonly Contender[],
  { rounds, tempDir, onRun }: { rounds: number; tempDir: string; onRun: (name: string, run: Run) => void },
): Promise<readonly Result[]> {
  const results = contenders.map((contender) => ({ contender, runs: [] as Run[] }));
  let layers: readonly string[] | undefined;
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const { run, diffIds } = await runOnce(cell, contender, tempDir);
      results[i]?.runs.push(run);
      onRun(contender.name, run);
      if (diffIds === undefined) continue;
      layers ??= diffIds;
      const other = diffIds.filter((diffId, n) => diffId !== layers?.[n]);
      if (other.length > 0 || layers.length !== diffIds.length)
        throw new Error(`${contender.name} exported other layers than the ones before: ${other}`);
    }
  }
  return results;
}

async function runOnce(
  { scenario, link, build }: Cell,
  contender: Contender,
  parent: string,
): Promise<{ run: Run; diffIds?: readonly string[] }> {
  const tempDir = mkdtempSync(join(parent, "run-"));
  await using registries = await startRegistryPair(link);
  try {
    const course = { build, registries, tempDir };
    await prepare(course, scenario.before, contender);
    const registryBefore = registries.cpuMs();
    const [storedBefore, linkedBefore] = [registries.storedBytes(), await registries.linkedBytes()];
    const run = await contender.run(course);
    const registryMs = difference(registries.cpuMs(), registryBefore);
    const linked = (await registries.linkedBytes()).map((bytes, i) => bytes - (linkedBefore[i] ?? 0));
    const { bytesPerSecond } = link;
    const sent =
      bytesPerSecond === undefined
        ? { sentBytes: registries.storedBytes() - storedBefore }
        : {
            sentBytes: linked.reduce((total, bytes) => total + bytes, 0),
            transferMs: (Math.max(...linked) / bytesPerSecond) * 1000,
          };
    if (contender.kind === "floor" || contender.kind === "peer") return { run: { ...run, ...sent, registryMs } };
    const { diffIds } = await readPushedImage(`${registries.direct[0]}/${APP}`);
    return { run: { ...run, ...sent, registryMs }, diffIds };
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

function difference(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined ? undefined : now - before;
}
