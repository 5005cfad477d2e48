import { isDeepStrictEqual } from "node:util";
import { afterAll, describe, test } from "vitest";
import { comparableOf, expectedOf } from "../comparable.ts";
import { expectConformance } from "../compare.ts";
import { environmentProblem } from "../environment.ts";
import { type Played, playCase } from "../play-case.ts";
import type { ConformanceCase } from "../recorded-case.ts";
import { referenceExporter } from "../reference-exporter.ts";
import { Subject } from "../subject.ts";
import { generateCase } from "./generate-case.ts";
import { InProcess } from "./in-process.ts";
import { startOpenRegistry } from "./open-registry.ts";
import { shrinkCase } from "./shrink-case.ts";

const count = Number(process.env.GENERATED_CASES ?? "0");
const firstSeed = Number(process.env.GENERATED_SEED ?? "1");
const executable = referenceExporter();
const problem = environmentProblem();

if (executable === undefined || count === 0)
  test.skip(
    "generated cases with a live reference: needs REFERENCE_EXPORTER=<its path> and GENERATED_CASES=<how many>",
  );
else if (problem !== undefined) test.skip(`generated cases with a live reference: ${problem}`);
else {
  const subject = new InProcess();
  const reference = new Subject(executable);
  afterAll(async () => {
    reference[Symbol.dispose]();
    await subject[Symbol.asyncDispose]();
  });
  const playBoth = async (given: ConformanceCase): Promise<{ readonly ours: Played; readonly theirs: Played }> => {
    const theirs = await playCase({ case: given, facts: {} }, reference, startOpenRegistry);
    return { theirs, ours: await playCase({ case: given, facts: {} }, subject, startOpenRegistry) };
  };
  const differs = async (given: ConformanceCase): Promise<boolean> => {
    try {
      const { ours, theirs } = await playBoth(given);
      const expected = expectedOf(given, theirs);
      return !isDeepStrictEqual(comparableOf(given, ours, expected), expected);
    } catch {
      return false;
    }
  };
  describe("generated cases with a live reference", () => {
    const seeds = Array.from({ length: count }, (_, i) => firstSeed + i);
    // Shrinking plays a case many times.
    test.for(seeds)("seed %d", { timeout: 600_000 }, async (seed) => {
      const given = generateCase(seed);
      const { ours, theirs } = await playBoth(given);
      try {
        expectConformance(given, ours, theirs);
      } catch (error) {
        const smallest = await shrinkCase(given, differs);
        console.error(`GENERATED_SEED=${seed} GENERATED_CASES=1 differs, and so does\n${JSON.stringify(smallest)}`);
        throw error;
      }
    });
  });
}
