import { expect, test } from "vitest";
import { tempTree } from "../support/files/temp-tree.ts";
import { parserTargets, runCase } from "../support/fuzz/run-targets.ts";

/** Cases of each target; fewer if they are slow. */
const CASES: Readonly<Record<string, number>> = { "toml-documents": 60, json: 150 };

/** Seeds that longer runs found, by target. */
const FOUND: Readonly<Record<string, readonly number[]>> = {
  references: [1255, 2934],
  "retry-after": [109],
  json: [3041, 5718],
  toml: [3553, 4102],
  tars: [866, 1878, 11568],
};

test.for(["references", "challenges", "retry-after", "locations", "globs", "quotes", "flags", "command-lines"])(
  "a short run of the fuzzer, always the same one: %s",
  (name) => short(name),
);
test.for(["toml", "json", "tars", "toml-documents"])("the same: %s", (name) => short(name));

async function short(name: string): Promise<void> {
  const target = parserTargets(tempTree()).find((candidate) => candidate.name === name);
  if (target === undefined) return expect.fail("there is no such target");
  const seeds = Array.from({ length: CASES[name] ?? 400 }, (_, seed) => seed);
  for (const seed of [...(FOUND[name] ?? []), ...seeds]) await runCase(target, seed);
}

test("every target is run", () => {
  expect(parserTargets(tempTree()).map(({ name }) => name)).toHaveLength(12);
});
