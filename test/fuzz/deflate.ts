import { parseArgs } from "node:util";
import { buildEncoders } from "../../scripts/build-encoder.ts";
import { runScript } from "../../scripts/script.ts";
import { CORPUS_NAMES, readCorpus } from "../support/deflate/corpus.ts";
import { createFuzzer, type FuzzCounts } from "../support/deflate/fuzz-deflate.ts";
import { FUZZ_OPTIONS, fuzzExtent } from "../support/fuzz/extent.ts";
import { positiveNumber, wholeNumber } from "../support/numeric-options.ts";

const USAGE = `node scripts/with-runtime.mjs test/fuzz/deflate.ts [--seconds 60] [--cases n] [--seed n] [--levels 1,...] [--megabytes 50]

Fuzzes the DEFLATE encoder for a while, with generated inputs and mutations of this machine's files. --seed repeats a run,
--seed N --cases 1 a single case.`;

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...FUZZ_OPTIONS,
      levels: { type: "string", default: "1,1,1,2,3,4,5,6,7,8,9" },
      megabytes: { type: "string", default: "50" },
    },
  });
  const { seconds, cases, firstSeed } = fuzzExtent(values);
  const levels = values.levels.split(",").map((level) => wholeNumber("levels", level));
  const megabytes = positiveNumber("megabytes", values.megabytes);
  await buildEncoders();
  const corpora = CORPUS_NAMES.map((name) => readCorpus(name, megabytes * 1e6));
  const { run, counts } = createFuzzer({ levels: levels, corpora, lengthBits: 20 });
  const end = performance.now() + seconds * 1_000;
  console.log(`seed ${firstSeed}`);
  let reported = performance.now();
  for (let seed = firstSeed; performance.now() < end && counts.cases < cases; seed++) {
    run(seed);
    if (performance.now() - reported > 10_000) {
      reported = performance.now();
      console.log(summary(counts));
    }
  }
  console.log(`done: ${summary(counts)}`);
}

function summary(counts: FuzzCounts): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  return `${counts.cases} cases, ${megabytes(counts.bytes)} to ${megabytes(counts.compressedBytes)}, ${counts.independent} by both inflaters`;
}

await runScript(USAGE, main);
