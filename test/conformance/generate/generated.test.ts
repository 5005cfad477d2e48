import { describe, expect, test } from "vitest";
import { comparableOf } from "../comparable.ts";
import { sharedStage } from "../shared-stage.ts";
import { stageProblem } from "../stage.ts";
import { compactFacts, expandFacts, readGeneratedFacts, shortDigest } from "./compact-facts.ts";
import { generateCase } from "./generate-case.ts";

const problem = stageProblem();

if (problem !== undefined) test.skip(`generated cases with the recorded reference: ${problem}`);
else {
  const stage = sharedStage();
  describe("generated cases with the recorded reference", () => {
    const facts = [...readGeneratedFacts()];
    test("the seeds make the cases that were recorded", () => {
      const made = facts.map(([seed]) => [seed, shortDigest(generateCase(seed))]);
      expect(made).toEqual(facts.map(([seed, recorded]) => [seed, recorded.case]));
    });
    test.for(facts)("seed %d", async ([seed, recorded]) => {
      const given = generateCase(seed);
      const play = { case: given, facts: {} };
      const ours = await stage.play({ recorded: play, subject: "in-process", registry: "fake" });
      expect(compactFacts(given, comparableOf(given, ours, expandFacts(recorded)))).toEqual(recorded);
    });
  });
}
