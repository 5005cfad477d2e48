import { describe, expect, it } from "vitest";
import { EMPTY_CACHE_METADATA } from "../../../src/cnb/lifecycle-metadata.ts";
import { Fault } from "../../../src/errors/fault.ts";
import { planApp } from "../../../src/plan/app.ts";
import { planCache } from "../../../src/plan/cache.ts";
import { recordCache } from "../../../src/plan/records.ts";
import { buildpack, diffIdOfDigit, layer, planInputs, record } from "../../support/build/plan-inputs.ts";

const A = diffIdOfDigit("a");
const BUILDPACKS = [
  buildpack(
    "x/java",
    layer("x/java", "built", { build: true }),
    layer("x/java", "empty", { cache: true, hasContents: false }),
    layer("x/java", "jdk", { launch: true, cache: true }),
    layer("x/java", "m2", { cache: true, data: { v: 1 } }),
  ),
  buildpack("none", layer("none", "bad", { malformed: "x" })),
];

describe("planCache", () => {
  it("plans cached layers in order and builds only those that the app image does not", () => {
    const inputs = planInputs({
      buildpacks: [BUILDPACKS[0] ?? buildpack("")],
      hasCacheSbom: true,
      cache: { kind: "image" },
    });
    const app = planApp(inputs);
    const old = { sbom: "old", buildpacks: [record("x/java", { m2: A })] };
    const { steps, layers } = planCache(inputs, app, old);
    expect(steps).toEqual([
      expect.objectContaining({ kind: "buildpack" }),
      { kind: "no-contents", id: "x/java:empty" },
      expect.objectContaining({
        id: "x/java:jdk",
        key: "directory:/layers/x_java/jdk",
        previous: "",
        createdBy: "Layer: 'jdk', Created by buildpack: x/java@1.0",
        errorContext: "creating layer 'x/java:jdk'",
      }),
      expect.objectContaining({ id: "x/java:m2", key: "directory:/layers/x_java/m2", previous: A }),
      expect.objectContaining({
        id: "buildpacksio/lifecycle:cache.sbom",
        key: "directory:/layers/sbom/cache",
        previous: "old",
        createdBy: "Software Bill-of-Materials",
        errorContext: "creating layer 'buildpacksio/lifecycle:cache.sbom', path: '/layers/sbom/cache'",
      }),
    ]);
    expect(app.layers.map(({ key }) => key)).toContain("directory:/layers/x_java/jdk");
    expect(layers).toEqual([
      expect.objectContaining({ id: "x/java:m2", priority: 1, order: app.layers.length, expected: [A], consumers: 1 }),
      expect.objectContaining({ id: "buildpacksio/lifecycle:cache.sbom", order: app.layers.length + 1, expected: [] }),
    ]);
  });

  it("builds a layer that the app image only reuses by its diffID", () => {
    const one = buildpack("b", layer("b", "l", { launch: false, cache: true }));
    const inputs = planInputs({ buildpacks: [one], cache: { kind: "image" } });
    expect(planCache(inputs, planApp(inputs), EMPTY_CACHE_METADATA).layers).toHaveLength(1);
  });

  it("plans tars and no blobs for a volume cache", () => {
    const old = { sbom: "", buildpacks: [record("x/java", { m2: A })] };
    const cache = { kind: "directory", directory: "/cache/staging", old } as const;
    const inputs = planInputs({ buildpacks: [BUILDPACKS[0] ?? buildpack("")], hasCacheSbom: true, cache });
    const { layers } = planCache(inputs, planApp(inputs), old);
    expect(layers.map(({ id, expected, products }) => ({ id, expected, products }))).toEqual(
      [
        { id: "x/java:m2", known: [A] },
        { id: "buildpacksio/lifecycle:cache.sbom", known: [] },
      ].map(({ id, known }) => ({
        id,
        expected: [],
        products: {
          blob: false,
          tarStream: false,
          tarFiles: [{ directory: "/cache/staging", expected: known }],
        },
      })),
    );
  });

  it("ends with a fault if SBOMs cannot be looked up", () => {
    const hasCacheSbom = new Fault("EXPORT_INPUT_SBOM", "open /layers/sbom/cache: permission denied");
    const inputs = planInputs({ hasCacheSbom, cache: { kind: "image" } });
    const [step] = planCache(inputs, planApp(inputs), EMPTY_CACHE_METADATA).steps;
    expect(step?.kind === "fault" && step.fault.message).toBe(
      "failed to read layers SBOM: open /layers/sbom/cache: permission denied",
    );
    const old = planInputs({ hasCacheSbom, cache: { kind: "image" } }, "0.7");
    expect(planCache(old, planApp(old), EMPTY_CACHE_METADATA).steps).toEqual([]);
  });

  it("has no SBOM layer below API 0.8", () => {
    const inputs = planInputs({ hasCacheSbom: true, cache: { kind: "image" } }, "0.7");
    expect(planCache(inputs, planApp(inputs), EMPTY_CACHE_METADATA).steps).toEqual([]);
  });
});

describe("recordCache", () => {
  it("records every buildpack, and the layers that could be cached", () => {
    const inputs = planInputs({ buildpacks: BUILDPACKS, hasCacheSbom: true, cache: { kind: "image" } });
    const { steps } = planCache(inputs, planApp(inputs), EMPTY_CACHE_METADATA);
    const metadata = recordCache(steps, (step) => (step.id === "x/java:jdk" ? undefined : `of ${step.id}`));
    expect(metadata).toEqual({
      sbom: "of buildpacksio/lifecycle:cache.sbom",
      buildpacks: [
        {
          key: "x/java",
          version: "1.0",
          layers: new Map([
            ["m2", { diffId: "of x/java:m2", data: { v: 1 }, build: false, launch: false, cache: true }],
          ]),
        },
        { key: "none", version: "1.0", layers: new Map() },
      ],
    });
  });
});
