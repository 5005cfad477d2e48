import { writeFileSync } from "node:fs";
import { expectedOf } from "../comparable.ts";
import { referenceExporter, Stage } from "../stage.ts";
import { type CompactFacts, compactFacts, GENERATED_FACTS } from "./compact-facts.ts";
import { generateCase } from "./generate-case.ts";

/** Records what a reference makes of the seeds from 1 to that of the first argument. */
const count = Number(process.argv[2]);
const path = referenceExporter();
if (!(count > 0) || path === undefined) throw new Error("usage: REFERENCE_EXPORTER=<its path> record.ts <how many>");
await using stage = new Stage();
const facts: Record<number, CompactFacts> = {};
for (let seed = 1; seed <= count; seed++) {
  const given = generateCase(seed);
  const played = await stage.play({ recorded: { case: given, facts: {} }, subject: { path }, registry: "fake" });
  facts[seed] = compactFacts(given, expectedOf(given, played));
}
const lines = Object.entries(facts).map(([seed, compact]) => `"${seed}":${JSON.stringify(compact)}`);
writeFileSync(GENERATED_FACTS, `{\n${lines.join(",\n")}\n}\n`);
