import { existsSync } from "node:fs";
import { join } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that take 5 s of CPU time or more, longest first. Without results of an earlier run, as in a new clone, Vitest sorts files by
 * size. A short file with long tests then runs last, while the other processors are idle.
 */
const LONG = [
  "integration/binary/binary",
  "conformance/conformance",
  "conformance/generate/generated",
  "integration/export/blocked-output",
  "integration/export/broken-output",
  "integration/export/daemon",
  "faults/concurrent-exports",
  "integration/package/package",
  "integration/export/checkout",
  "integration/export/runtime-inputs",
  "integration/export/footprint",
  "integration/export/rebuild",
  "integration/export/cache-dir",
  "integration/creator/phases",
  "unit/workers/deflate/determinism",
  "unit/workers/deflate/round-trip",
  "integration/creator/output",
  "integration/export/memory-limit",
  "integration/export/limits",
  "faults/soak",
  "faults/kill",
  "faults/layout-kill",
];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = LONG.filter((name) => !existsSync(join(import.meta.dirname, "..", `${name}.test.ts`)));
    if (gone.length > 0) throw new Error(`${import.meta.filename} lists missing test files: ${gone.join(", ")}`);
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return rank < 0 ? LONG.length : rank;
}
