import { parseArgs } from "node:util";
import { buildEncoders } from "../../scripts/build-encoder.ts";
import { readCorpus } from "../support/corpus.ts";
import { createFuzzer } from "../support/fuzz-deflate.ts";

/**
 * Fuzzes the DEFLATE encoder for a while, with generated inputs and mutations of this machine's files. `--seed` repeats
 * a run, `--seed N --cases 1` a single case.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    cases: { type: "string", default: "Infinity" },
    seed: { type: "string", default: String(Date.now() % 1e9) },
    levels: { type: "string", default: "1,1,1,2,3,4,5,6,7,8,9" },
    megabytes: { type: "string", default: "50" },
  },
});

await buildEncoders();
const corpora = (["libraries", "text", "compressed"] as const).map((name) =>
  readCorpus(name, Number(values.megabytes) * 1e6),
);
const { run, counts } = createFuzzer({ levels: values.levels.split(",").map(Number), corpora, lengthBits: 20 });
const firstSeed = Number(values.seed);
const end = performance.now() + Number(values.seconds) * 1_000;
console.log(`seed ${firstSeed}`);
let reported = performance.now();
for (let seed = firstSeed; performance.now() < end && counts.cases < Number(values.cases); seed++) {
  run(seed);
  if (performance.now() - reported > 10_000) {
    reported = performance.now();
    console.log(summary());
  }
}
console.log(`done: ${summary()}`);

function summary(): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  return `${counts.cases} cases, ${megabytes(counts.bytes)} to ${megabytes(counts.compressedBytes)}, ${counts.independent} by both inflaters`;
}
