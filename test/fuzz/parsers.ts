import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parserTargets, runCase } from "../support/fuzz/run-targets.ts";

/**
 * Fuzzes all parsers of external bytes for a while. `--seed` repeats a run, `--only NAME --seed N --cases 1` a single
 * case. Prints every finding, and cases that take longer than a second.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    cases: { type: "string", default: "Infinity" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    only: { type: "string", default: "" },
  },
});

const SLOW_MS = 1000;

const directory = mkdtempSync(join(tmpdir(), "tandem-fuzz-"));
const targets = parserTargets(directory).filter(({ name }) => values.only === "" || name === values.only);
const counts = new Map(targets.map(({ name }) => [name, { cases: 0, findings: 0 }]));
const firstSeed = Number(values.seed);
const end = performance.now() + Number(values.seconds) * 1_000;
console.log(`seed ${firstSeed}`);
for (let seed = firstSeed; performance.now() < end && seed < firstSeed + Number(values.cases); seed++)
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
rmSync(directory, { recursive: true });
console.table(Object.fromEntries(counts));
process.exitCode = [...counts.values()].some(({ findings }) => findings > 0) ? 1 : 0;
