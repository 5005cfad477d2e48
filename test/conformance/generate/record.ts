import { writeFileSync } from "node:fs";
import { expectedOf } from "../comparable.ts";
import { playCase } from "../play-case.ts";
import { referenceExporter } from "../reference-exporter.ts";
import { Subject } from "../subject.ts";
import { type CompactFacts, compactFacts, GENERATED_FACTS } from "./compact-facts.ts";
import { generateCase } from "./generate-case.ts";
import { startOpenRegistry } from "./open-registry.ts";

/** Records what a reference makes of the seeds from 1 to that of the first argument. */
const count = Number(process.argv[2]);
const executable = referenceExporter();
if (!(count > 0) || executable === undefined)
  throw new Error("usage: REFERENCE_EXPORTER=<its path> record.ts <how many>");
using reference = new Subject(executable);
const facts: Record<number, CompactFacts> = {};
for (let seed = 1; seed <= count; seed++) {
  const given = generateCase(seed);
  const played = await playCase({ case: given, facts: {} }, reference, startOpenRegistry);
  facts[seed] = compactFacts(given, expectedOf(given, played));
}
const lines = Object.entries(facts).map(([seed, compact]) => `"${seed}":${JSON.stringify(compact)}`);
writeFileSync(GENERATED_FACTS, `{\n${lines.join(",\n")}\n}\n`);
