import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { comparableOf, expectedOf } from "../comparable.ts";
import { expectConformance } from "../compare.ts";
import type { Played } from "../play-case.ts";
import type { ConformanceCase } from "../recorded-case.ts";
import { sharedStage } from "../shared-stage.ts";
import { referenceExporter, stageProblem } from "../stage.ts";
import { generateCase } from "./generate-case.ts";
import { shrinkCase } from "./shrink-case.ts";

const count = Number(process.env.GENERATED_CASES ?? "0");
const firstSeed = Number(process.env.GENERATED_SEED ?? "1");
const path = referenceExporter();
const problem = stageProblem();

if (path === undefined || count === 0)
  test.skip(
    "generated cases with a live reference: needs REFERENCE_EXPORTER=<its path> and GENERATED_CASES=<how many>",
  );
else if (problem !== undefined) test.skip(`generated cases with a live reference: ${problem}`);
else {
  const stage = sharedStage();
  const playBoth = async (given: ConformanceCase): Promise<{ readonly ours: Played; readonly theirs: Played }> => {
    const play = { recorded: { case: given, facts: {} }, registry: "fake" } as const;
    const theirs = await stage.play({ ...play, subject: { path } });
    return { theirs, ours: await stage.play({ ...play, subject: "in-process" }) };
  };
  /** Expects each exporter to make of the other's first build what it makes of its own. */
  const expectSameAfterTheOther = async (given: ConformanceCase, ours: Played, theirs: Played): Promise<void> => {
    const play = { recorded: { case: given, facts: {} }, registry: "fake" } as const;
    const oursLast = await stage.play({ ...play, subject: "in-process", firstSubject: { path } });
    expectConformance(given, { ...oursLast, previous: ours.previous }, theirs);
    const theirsLast = await stage.play({ ...play, subject: { path }, firstSubject: "in-process" });
    const expected = expectedOf(given, theirs);
    expect(expectedOf(given, { ...theirsLast, previous: theirs.previous })).toEqual(expected);
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
      // OCI manifests show which exporter wrote a layer; so do names of a layout's blobs, and digests of images with
      // one config.
      const isComparable = given.runLayout === undefined && given.runImage?.mediaTypes === "docker";
      if (isComparable && theirs.previous?.exitCode === 0 && "{appDigest}" in theirs.run.images)
        await expectSameAfterTheOther(given, ours, theirs);
    });
  });
}
