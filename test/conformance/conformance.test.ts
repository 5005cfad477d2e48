import { describe, expect, test } from "vitest";
import { dockerRegistryProblem } from "../support/registry/registry-kinds.ts";
import { expectConformance } from "./compare.ts";
import { INTENDED_DIFFERENCES } from "./intended-differences.ts";
import type { Played } from "./play-case.ts";
import { type RecordedCase, recordedCases } from "./recorded-case.ts";
import { sharedStage } from "./shared-stage.ts";
import { OUR_COMMAND, type Play, stageProblem } from "./stage.ts";

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

/** Cases that the command plays in a process of its own too: what a process can make different. */
const BY_COMMAND = [
  "chown-other-user",
  "cli-double-dash",
  "cli-help-0-15",
  "cli-lifecycle-export-path",
  "cli-lifecycle-version",
  "cli-no-args",
  "color-warning-cache-dir",
  "env-inputs",
  "epoch-timezone",
  "err-report-unwritable",
  "full-api-0-15",
  "layout-dir-in-the-way",
  "layout-rebuild",
  "parallel-rebuild-cache-dir",
  "paths-not-clean",
  "sbom-cnb-defaults",
];

function recordedOutcome({ facts }: RecordedCase): Played {
  const { previous, run, previousCacheManifestStillThere } = facts;
  return { previous, run, previousCacheManifestStillThere };
}

const problem = stageProblem();

if (problem !== undefined) test.skip(`conformance with the recorded reference: ${problem}`);
else {
  const stage = sharedStage();
  const cases = recordedCases();
  const named = (names: readonly string[]) => cases.filter((recorded) => names.includes(recorded.case.name));
  const rows = (some: readonly RecordedCase[]) => some.map((recorded) => [recorded.case.name, recorded] as const);
  const expectPlay = async (recorded: RecordedCase, how: Pick<Play, "subject" | "registry">) =>
    expectConformance(recorded.case, await stage.play({ recorded, ...how }), recordedOutcome(recorded));

  describe("conformance with the recorded reference", () => {
    test("every case that is named here or in the table of intended differences is there", () => {
      const names = new Set(cases.map((recorded) => recorded.case.name));
      const inTable = INTENDED_DIFFERENCES.flatMap((row) => (typeof row.cases === "function" ? [] : row.cases));
      const all = [...inTable, ...WITH_DOCKER_REGISTRY, ...BY_COMMAND];
      expect(all.filter((name) => !names.has(name))).toEqual([]);
    });
    test.for(rows(cases))("%s", async ([, recorded]) => {
      await expectPlay(recorded, { subject: "in-process", registry: "fake" });
    });
  });
  describe("the same by the command", () => {
    test.for(rows(named(BY_COMMAND)))("%s", async ([, recorded]) => {
      await expectPlay(recorded, { subject: OUR_COMMAND, registry: "fake" });
    });
  });
  describe.skipIf(dockerRegistryProblem())("the same with docker-registry", () => {
    test.for(rows(named(WITH_DOCKER_REGISTRY)))("%s", async ([, recorded]) => {
      await expectPlay(recorded, { subject: "in-process", registry: "docker-registry" });
    });
  });
}
