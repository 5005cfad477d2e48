import { describe, test } from "vitest";
import { expectConformance } from "./compare.ts";
import { recordedCases } from "./recorded-case.ts";
import { sharedStage } from "./shared-stage.ts";
import { INSTALLED_REGISTRY, OUR_COMMAND, referenceExporter, stageProblem } from "./stage.ts";

const path = referenceExporter();
const problem = stageProblem();

if (path === undefined) test.skip("conformance with a live reference: needs REFERENCE_EXPORTER=<its path>");
else if (problem !== undefined) test.skip(`conformance with a live reference: ${problem}`);
else {
  const stage = sharedStage();
  describe("conformance with a live reference", () => {
    test.for(recordedCases().map((recorded) => [recorded.case.name, recorded] as const))("%s", async ([, recorded]) => {
      const registry = INSTALLED_REGISTRY;
      const expected = await stage.play({ recorded, subject: { path }, registry });
      expectConformance(recorded.case, await stage.play({ recorded, subject: OUR_COMMAND, registry }), expected);
    });
  });
}
