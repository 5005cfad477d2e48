import { expect, it } from "vitest";
import { planApp } from "../../../src/plan/app.ts";
import { recordLifecycle } from "../../../src/plan/records.ts";
import { buildpack, layer, planInputs, record } from "../../support/build/plan-inputs.ts";

const RUN_IMAGE = {
  runImage: { topLayer: "t", reference: "r", image: "", mirrors: [] },
  stack: { image: "i", mirrors: [] },
};

it("records every layer's diffID and flags, with the data of its TOML", () => {
  const inputs = planInputs({
    buildpacks: [
      { ...buildpack("b", layer("b", "l", { launch: true, data: { v: 1 } })), store: { metadata: null } },
      buildpack("c", layer("c", "reused", { launch: true, build: true, hasContents: false }), layer("c", "built")),
    ],
    build: { slices: [{ paths: ["x"] }], processes: null },
    hasLaunchSbom: true,
  });
  const previous = { ...inputs.previous, buildpacks: [record("c", { reused: "old" })] };
  const { steps } = planApp({ ...inputs, previous });
  const diffIdOf = (step: { readonly id: string }) => `of ${step.id}`;
  expect(recordLifecycle(steps, diffIdOf, RUN_IMAGE)).toEqual({
    app: ["of slice-1", "of slice-2"],
    sbom: "of buildpacksio/lifecycle:launch.sbom",
    buildpacks: [
      {
        key: "b",
        version: "1.0",
        layers: new Map([["l", { diffId: "of b:l", data: { v: 1 }, build: false, launch: true, cache: false }]]),
        store: { metadata: null },
      },
      {
        key: "c",
        version: "1.0",
        layers: new Map([["reused", { diffId: "of c:reused", data: null, build: true, launch: true, cache: false }]]),
      },
    ],
    config: "of buildpacksio/lifecycle:config",
    launcher: "of buildpacksio/lifecycle:launcher",
    processTypes: "",
    ...RUN_IMAGE,
  });
});

it("omits the SBOM if there is none", () => {
  const { steps } = planApp(planInputs());
  expect(recordLifecycle(steps, () => "x", RUN_IMAGE)).toMatchObject({ sbom: undefined, buildpacks: [], app: ["x"] });
});
