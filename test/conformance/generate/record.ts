import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runScript, usageError } from "../../../scripts/script.ts";
import { expectedOf } from "../comparable.ts";
import { referenceExporter, Stage } from "../stage.ts";
import { type CompactFacts, compactFacts, GENERATED_FACTS } from "./compact-facts.ts";
import { generateCase } from "./generate-case.ts";

const USAGE = `REFERENCE_EXPORTER=<its path> node scripts/with-runtime.mjs test/conformance/generate/record.ts <how many>

Records what a reference makes of the seeds from 1 to that number.`;

async function main(args: readonly string[]): Promise<void> {
  const [count = "", ...others] = parseArgs({ args, allowPositionals: true, options: {} }).positionals;
  const path = referenceExporter();
  if (!/^[1-9]\d*$/.test(count) || others.length > 0)
    throw usageError(`one number of cases is needed, not "${args.join(" ")}"`);
  if (path === undefined) throw new Error("there is no reference\nSet REFERENCE_EXPORTER to the path of an exporter");
  await using stage = new Stage();
  const facts: Record<number, CompactFacts> = {};
  for (let seed = 1; seed <= Number(count); seed++) {
    const given = generateCase(seed);
    const played = await stage.play({ recorded: { case: given, facts: {} }, subject: { path }, registry: "fake" });
    facts[seed] = compactFacts(given, expectedOf(given, played));
  }
  const lines = Object.entries(facts).map(([seed, compact]) => `"${seed}":${JSON.stringify(compact)}`);
  writeFileSync(GENERATED_FACTS, `{\n${lines.join(",\n")}\n}\n`);
}

await runScript(USAGE, main);
