import { existsSync } from "node:fs";
import { join } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that take 5 s of CPU time or more, longest first. Without results of an earlier run, as in a new clone, Vitest
 * sorts files by size. A short file with long tests then runs last, while the other processors are idle.
 */
const LONG = [
  "integration/binary/binary",
  "conformance/conformance",
  "integration/creator/early",
  "conformance/generate/generated",
  "integration/export/daemon",
  "integration/process/checkout",
  "integration/output/broken-output",
  "integration/layers/early-layer",
  "integration/output/blocked-output",
  "faults/concurrent-exports",
  "unit/workers/deflate/round-trip",
  "integration/package/package",
  "integration/process/memory-limit",
  "integration/consumers/registries",
  "faults/soak",
  "integration/export/first-build",
  "integration/export/closed-registries",
  "integration/project-commands",
  "integration/process/footprint",
  "integration/process/runtime-inputs",
  "integration/creator/phases",
  "integration/process/signals",
  "integration/creator/early-destinations",
  "integration/process/limits",
  "integration/layers/layer-store",
  "integration/consumers/docker",
  "unit/workers/deflate/determinism",
  "integration/export/rebuild",
  "integration/export/cache-dir",
  "faults/recovery",
  "faults/kill",
  "faults/layout-kill",
];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = LONG.filter((name) => !existsSync(join(import.meta.dirname, "..", "..", `${name}.test.ts`)));
    if (gone.length > 0) throw new Error(`${import.meta.filename} lists missing test files: ${gone.join(", ")}`);
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return rank < 0 ? LONG.length : rank;
}
