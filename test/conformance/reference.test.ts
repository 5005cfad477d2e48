import { afterAll, describe, test } from "vitest";
import { expectConformance } from "./compare.ts";
import { recordedCases } from "./recorded-case.ts";
import { INSTALLED_REGISTRY, OUR_COMMAND, referenceExporter, Stage, stageProblem } from "./stage.ts";

const path = referenceExporter();
const problem = stageProblem();

if (path === undefined) test.skip("conformance with a live reference: needs REFERENCE_EXPORTER=<its path>");
else if (problem !== undefined) test.skip(`conformance with a live reference: ${problem}`);
else {
  const stage = new Stage();
  afterAll(() => stage[Symbol.asyncDispose]());
  describe("conformance with a live reference", () => {
    test.for(recordedCases().map((recorded) => [recorded.case.name, recorded] as const))("%s", async ([, recorded]) => {
      const registry = INSTALLED_REGISTRY;
      const expected = await stage.play({ recorded, subject: { path }, registry });
      expectConformance(recorded.case, await stage.play({ recorded, subject: OUR_COMMAND, registry }), expected);
    });
  });
}
