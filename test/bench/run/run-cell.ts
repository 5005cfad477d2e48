import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Link } from "../network/links.ts";
import { readPushedImage, startRegistryPair } from "../network/registries.ts";
import type { Scenario } from "../scenarios.ts";
import { APP, type Contender, type ContenderInfo, type Run } from "./contender.ts";
import type { BenchBuild } from "./make-build.ts";
import { prepare } from "./prepare.ts";

/** All runs of one contender. */
export interface Result {
  readonly contender: ContenderInfo;
  readonly runs: readonly Run[];
}

/** One scenario on one link. */
export interface Cell {
  readonly scenario: Scenario;
  readonly link: Link;
  readonly build: BenchBuild;
}

/**
 * Measures the contenders in turns (A B C A B C), each run with new registries and a new temporary directory.
 * @param onRun called after each run
 * @throws Error if a run fails or two exporters pushed different layers
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
        throw new Error(`${contender.name} exported other layers than the contenders before: ${other}`);
    }
  }
  return results;
}

/** @returns the figures, and for an exporter the diffIDs of the app image that it pushed */
export async function runOnce(
  { scenario, link, build }: Cell,
  contender: Contender,
  parent: string,
): Promise<{ readonly run: Run; readonly diffIds?: readonly string[] }> {
  const tempDir = mkdtempSync(join(parent, "run-"));
  await using registries = await startRegistryPair(link, scenario.registries);
  try {
    const context = { build, registries, tempDir };
    await prepare(context, scenario.before, contender);
    const registryBefore = registries.cpuMs();
    const [takenBefore, linkedBefore] = [await registries.takenBytes(), await registries.linkedBytes()];
    const measured = await contender.run(context);
    const registryMs = difference(registries.cpuMs(), registryBefore);
    const linked = (await registries.linkedBytes()).map((bytes, i) => bytes - (linkedBefore[i] ?? 0));
    const { bytesPerSecond } = link;
    const sent =
      bytesPerSecond === undefined
        ? { sentBytes: (await registries.takenBytes()) - takenBefore }
        : {
            sentBytes: linked.reduce((total, bytes) => total + bytes, 0),
            transferMs: (Math.max(...linked) / bytesPerSecond) * 1000,
          };
    const run = { ...measured, ...sent, registryMs };
    if (contender.kind === "floor" || contender.kind === "peer") return { run };
    const { diffIds } = await readPushedImage(`${registries.direct[0]}/${APP}`, registries.access);
    return { run, diffIds };
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

function difference(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined ? undefined : now - before;
}
