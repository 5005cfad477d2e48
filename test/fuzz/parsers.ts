import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runScript } from "../../scripts/script.ts";
import { FUZZ_OPTIONS, type FuzzExtent, fuzzExtent } from "../support/fuzz/extent.ts";
import { parserTargets, runCase } from "../support/fuzz/run-targets.ts";

const USAGE = `node scripts/with-runtime.mjs test/fuzz/parsers.ts [--seconds 60] [--cases n] [--seed n] [--only name]

Fuzzes all parsers of external bytes for a while. --seed repeats a run, --only NAME --seed N --cases 1 a single case. Prints every
finding, and cases that take longer than a second.`;

const SLOW_MS = 1000;

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { ...FUZZ_OPTIONS, only: { type: "string" } } });
  const directory = mkdtempSync(join(tmpdir(), "tandem-fuzz-"));
  try {
    await fuzz(directory, fuzzExtent(values), values.only);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function fuzz(
  directory: string,
  { seconds, cases, firstSeed }: FuzzExtent,
  only: string | undefined,
): Promise<void> {
  const all = parserTargets(directory);
  const targets = all.filter(({ name }) => only === undefined || name === only);
  if (targets.length === 0)
    throw new Error(`there is no target ${only}; there are ${all.map(({ name }) => name).join(", ")}`);
  const counts = new Map(targets.map(({ name }) => [name, { cases: 0, findings: 0 }]));
  const end = performance.now() + seconds * 1_000;
  console.log(`seed ${firstSeed}`);
  for (let seed = firstSeed; performance.now() < end && seed < firstSeed + cases; seed++)
    for (const target of targets) {
      const count = counts.get(target.name) as { cases: number; findings: number };
      if (count.findings >= 20) continue;
      count.cases += 1;
      const started = performance.now();
      await runCase(target, seed).catch((error: unknown) => {
        count.findings += 1;
        console.log(
          error instanceof Error
            ? error.cause instanceof Error
              ? `${error.message}\n${error.cause.stack}`
              : error.message
            : error,
        );
      });
      const tookMs = performance.now() - started;
      if (tookMs > SLOW_MS) console.log(`${target.name}, seed ${seed}: took ${Math.round(tookMs)} ms`);
    }
  console.table(Object.fromEntries(counts));
  process.exitCode = [...counts.values()].some(({ findings }) => findings > 0) ? 1 : 0;
}

await runScript(USAGE, main);
