import { join } from "node:path";
import { describe, test } from "vitest";
import { startRegistry } from "../fakes/registry/registry-kinds.ts";
import { expectConformance } from "./compare.ts";
import { environmentProblem } from "./environment.ts";
import { playCase } from "./play-case.ts";
import { recordedCases } from "./recorded-case.ts";
import { referenceExporter } from "./reference-exporter.ts";
import { Subject } from "./subject.ts";

const EXPORTER = join(import.meta.dirname, "..", "..", "bin", "exporter");

const executable = referenceExporter();
const problem = environmentProblem();

if (executable === undefined) test.skip("conformance with a live reference: needs REFERENCE_EXPORTER=<its path>");
else if (problem !== undefined) test.skip(`conformance with a live reference: ${problem}`);
else {
  describe("conformance with a live reference", () => {
    test.for(recordedCases().map((recorded) => [recorded.case.name, recorded] as const))("%s", async ([, recorded]) => {
      using reference = new Subject(executable);
      using subject = new Subject(EXPORTER);
      const expected = await playCase(recorded, reference, startRegistry);
      expectConformance(recorded.case, await playCase(recorded, subject, startRegistry), expected);
    });
  });
}
