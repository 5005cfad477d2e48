import { describe, expect, test } from "vitest";
import { RealRegistry } from "../fakes/registry/real-registry.ts";
import { FakeRegistry } from "../fakes/registry/registry.ts";
import { dockerRegistryProblem } from "../fakes/registry/registry-kinds.ts";
import { DOCKER_REGISTRY } from "../fakes/registry/registry-program.ts";
import { EXPORTER } from "../support/exporter.ts";
import { expectConformance } from "./compare.ts";
import { environmentProblem } from "./environment.ts";
import { INTENDED_DIFFERENCES } from "./intended-differences.ts";
import { type Played, playCase } from "./play-case.ts";
import { type RecordedCase, recordedCases } from "./recorded-case.ts";
import { referenceExporter } from "./reference-exporter.ts";
import { Subject } from "./subject.ts";

/** Cases that are played against the registry they were recorded with too: what a registry can make different. */
const WITH_DOCKER_REGISTRY = [
  "cache-same-repo-as-app",
  "cache-second-registry-parallel",
  "err-additional-tag-push-fails",
  "err-run-image-missing",
  "full-api-0-12",
  "previous-image-gone",
  "rebuild-cache-changed-api-0-12",
  "rebuild-changed",
  "rebuild-oci-run",
  "rebuild-unchanged",
  "run-index",
  "run-oci",
];

function recordedOutcome({ facts }: RecordedCase): Played {
  const { previous, run, previousCacheManifestStillThere } = facts;
  return { previous, run, previousCacheManifestStillThere };
}

// With a reference at hand the live comparison takes this one's place: both need the same directory.
const problem = referenceExporter() === undefined ? environmentProblem() : "the live comparison runs instead";

if (problem !== undefined) test.skip(`conformance with the recorded reference: ${problem}`);
else {
  const cases = recordedCases();
  describe("conformance with the recorded reference", () => {
    test("every case that the table of intended differences names is there", () => {
      const names = new Set(cases.map((recorded) => recorded.case.name));
      const named = INTENDED_DIFFERENCES.flatMap((row) => (typeof row.cases === "function" ? [] : row.cases));
      expect(named.filter((name) => !names.has(name))).toEqual([]);
    });
    test.for(cases.map((recorded) => [recorded.case.name, recorded] as const))("%s", async ([, recorded]) => {
      using subject = new Subject(EXPORTER);
      const ours = await playCase(recorded, subject, () => FakeRegistry.start());
      expectConformance(recorded.case, ours, recordedOutcome(recorded));
    });
  });
  describe.skipIf(dockerRegistryProblem())("the same with docker-registry", () => {
    const some = cases.filter((recorded) => WITH_DOCKER_REGISTRY.includes(recorded.case.name));
    test.for(some.map((recorded) => [recorded.case.name, recorded] as const))("%s", async ([, recorded]) => {
      using subject = new Subject(EXPORTER);
      const ours = await playCase(recorded, subject, () => RealRegistry.start(DOCKER_REGISTRY));
      expectConformance(recorded.case, ours, recordedOutcome(recorded));
    });
  });
}
