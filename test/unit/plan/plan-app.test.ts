import { describe, expect, it } from "vitest";
import type { Process } from "../../../src/cnb/build-metadata.ts";
import { Fault } from "../../../src/errors/fault.ts";
import type { Digest } from "../../../src/oci/digest.ts";
import { planApp } from "../../../src/plan/app.ts";
import type { PlanInputs, PlannedCache } from "../../../src/plan/inputs.ts";
import type { AppStep } from "../../../src/plan/steps.ts";
import { buildpack, diffIdOfDigit, layer, planInputs, record } from "../../support/build/plan-inputs.ts";

const A = diffIdOfDigit("a");
const B = diffIdOfDigit("b");

function process(type: string): Process {
  return {
    type,
    command: ["x"],
    args: null,
    direct: true,
    default: false,
    buildpackId: "b",
    workingDir: "",
    execEnv: [],
  };
}

function word(step: AppStep): string {
  if (step.kind === "buildpack") return step.layers.buildpack.id;
  if (step.kind === "fault") return step.fault.message;
  return step.kind === "layer" ? `${step.id} <${step.key}>` : `reuse ${step.id} ${step.diffId}`;
}

describe("planApp", () => {
  it("plans the minimal image: app, launcher and config", () => {
    const { steps, layers } = planApp(planInputs());
    expect(steps.map(word)).toEqual([
      "slice-1 <app-slice:0>",
      "buildpacksio/lifecycle:launcher <launcher>",
      "buildpacksio/lifecycle:config <directory:/layers/config>",
    ]);
    expect(steps[0]).toMatchObject({ createdBy: "Application Layer", role: { number: 1, count: 1 } });
    expect(layers).toEqual([
      expect.objectContaining({ order: 0, source: { kind: "launcher", path: "/cnb/lifecycle/launcher" } }),
      expect.objectContaining({ order: 1, source: { kind: "directory", path: "/layers/config", uid: 1, gid: 2 } }),
      {
        key: "app-slice:0",
        id: "slice-1",
        source: { kind: "app-slice", appDir: "/workspace", slices: [], index: 0, uid: 1, gid: 2 },
        priority: 0,
        order: 2,
        expected: [],
        products: { blob: true, tarStream: false, tarFiles: [] },
        consumers: 1,
      },
    ]);
  });

  it("makes the small last layers of the image before the slices", () => {
    const { steps, layers } = planApp(planInputs({ build: { slices: [], processes: [process("web")] } }));
    const ids = steps.flatMap((step) => (step.kind === "layer" ? [step.id] : []));
    expect(layers.map(({ id }) => id)).toEqual([...ids.slice(1), "slice-1"]);
    expect(ids[0]).toBe("slice-1");
  });

  it("compares extension layers with the previous image's unrecorded layers", () => {
    const recorded = {
      app: [diffIdOfDigit("1")],
      sbom: diffIdOfDigit("2"),
      config: diffIdOfDigit("3"),
      launcher: diffIdOfDigit("4"),
      processTypes: diffIdOfDigit("5"),
    };
    const [extension, jdk, top] = [diffIdOfDigit("6"), diffIdOfDigit("7"), diffIdOfDigit("8")];
    // A run image may have the same empty layer at its top and below.
    const previousDiffIds = [top, A, top, extension, jdk, ...Object.values(recorded).flat()];
    const { previous } = planInputs();
    const runImage = { ...previous.runImage, topLayer: top };
    const source = { index: 2, createdBy: "", path: "/e", digest: A as Digest };
    const known = { ...previous, ...recorded, runImage, buildpacks: [record("y", { jdk })] };
    const { steps, layers } = planApp(planInputs({ extensions: [source], previousDiffIds, previous: known }));
    expect(layers[0]).toMatchObject({ source: { kind: "extension" }, expected: [extension] });
    expect(steps[0]).toMatchObject({ previous: [] });
  });

  it("plans extension layers before all others, each separately", () => {
    const blob = { path: "/\u00c3\u00a9/blobs/sha256/x", digest: A as Digest };
    const extensions = [
      { ...blob, index: 2, createdBy: "Layer: 'RUN a', Created by extension: x/ext" },
      { ...blob, index: 5, createdBy: "who knows" },
    ];
    const { steps, layers } = planApp(planInputs({ extensions, buildpacks: [buildpack("y")] }));
    expect(steps.map(word).slice(0, 3)).toEqual([
      "x/ext:extended-layer-2 <extension:2>",
      "from extensions:extended-layer-5 <extension:5>",
      "y",
    ]);
    expect(steps[0]).toMatchObject({
      role: { kind: "extension" },
      createdBy: "Layer: 'RUN a', Created by extension: x/ext",
      previous: [],
      errorContext: "failed to create layer from tar path /é/blobs/sha256/x",
    });
    expect(layers.slice(0, 2)).toMatchObject([
      { source: { kind: "extension", index: 2, ...blob }, order: 0, expected: [], consumers: 1 },
      { source: { kind: "extension", index: 5, ...blob }, order: 1, expected: [], consumers: 1 },
    ]);
  });

  it("ends with a fault if SBOMs cannot be looked up, from API 0.8 on", () => {
    const hasLaunchSbom = new Fault("EXPORT_INPUT_SBOM", "open /layers/sbom/launch: permission denied");
    const last = planApp(planInputs({ hasLaunchSbom })).steps.at(-1);
    expect(last?.kind === "fault" && last.fault.message).toBe(
      "failed to read layers config sbom: open /layers/sbom/launch: permission denied",
    );
    expect(planApp(planInputs({ hasLaunchSbom }, "0.7")).steps.at(-1)?.kind).not.toBe("fault");
  });

  it("plans everything in the reference's order", () => {
    const { steps } = planApp(
      planInputs({
        buildpacks: [
          buildpack("x/java", layer("x/java", "jdk", { launch: true }), layer("x/java", "m2", { cache: true })),
          buildpack("y", layer("y", "z", { launch: true })),
        ],
        build: { slices: [{ paths: ["é/*"] }], processes: [process("web"), process("wörk")] },
        hasLaunchSbom: true,
      }),
    );
    expect(steps.map(word)).toEqual([
      "x/java",
      "x/java:jdk <directory:/layers/x_java/jdk>",
      "y",
      "y:z <directory:/layers/y/z>",
      "buildpacksio/lifecycle:launch.sbom <directory:/layers/sbom/launch>",
      "slice-1 <app-slice:0>",
      "slice-2 <app-slice:1>",
      "buildpacksio/lifecycle:launcher <launcher>",
      "buildpacksio/lifecycle:config <directory:/layers/config>",
      "buildpacksio/lifecycle:process-types <process-types>",
    ]);
    expect(steps.map((step) => ("createdBy" in step ? step.createdBy : ""))).toEqual([
      "",
      "Layer: 'jdk', Created by buildpack: x/java@1.0",
      "",
      "Layer: 'z', Created by buildpack: y@1.0",
      "Software Bill-of-Materials",
      "Application Slice: 1",
      "Application Slice: 2",
      "Buildpacks Application Launcher",
      "Buildpacks Launcher Config",
      "Buildpacks Process Types",
    ]);
    expect(steps.flatMap((step) => (step.kind === "layer" ? [step.errorContext] : []))).toEqual([
      ...["creating layer", "creating layer", "creating layer"],
      ...["exporting app layers: creating app layers", "exporting app layers: creating app layers"],
      "creating launcher layers",
      ...["creating layer ''", "creating layer ''"],
    ]);
  });

  it("encodes paths and patterns as byte strings", () => {
    const build = { slices: [{ paths: ["é"] }], processes: [process("wö"), process("a")] };
    const { settings } = planInputs();
    const paths = { appDir: "/é/app", layersDir: "/é/layers", launcherPath: "/é/launcher" };
    const { layers } = planApp(planInputs({ build, settings: { ...settings, ...paths } }));
    const [e, appDir] = ["\u00c3\u00a9", "/\u00c3\u00a9/app"];
    expect(layers.slice(0, 4).map(({ source }) => source)).toEqual([
      { kind: "launcher", path: `/${e}/launcher` },
      { kind: "directory", path: `/${e}/layers/config`, uid: 1, gid: 2 },
      { kind: "process-types", types: ["w\u00c3\u00b6", "a"] },
      { kind: "app-slice", appDir, slices: [[e]], index: 0, uid: 1, gid: 2 },
    ]);
  });

  it("has no SBOM layer below API 0.8", () => {
    const { steps } = planApp(planInputs({ hasLaunchSbom: true }, "0.7"));
    expect(steps.map(word).join()).not.toContain("sbom");
  });

  it("expects the previous image's diffIDs by buildpack id and layer name", () => {
    const inputs = planInputs({
      buildpacks: [buildpack("b", layer("b", "l", { launch: true }), layer("b", "new", { launch: true }))],
      build: { slices: [], processes: [process("web")] },
      hasLaunchSbom: true,
    });
    const { layers, steps } = planApp({
      ...inputs,
      previous: {
        ...inputs.previous,
        buildpacks: [record("c", { l: B }), record("b", { l: A }), record("b", { l: B, new: B })],
        sbom: "not a diffID",
        app: [A, B],
        launcher: A,
        config: B,
        processTypes: A,
      },
    });
    expect(layers.map(({ expected }) => expected)).toEqual([[A], [], [], [A], [B], [A], [A, B]]);
    expect(steps.flatMap((step) => (step.kind === "layer" ? [step.previous] : []))).toEqual([
      [A],
      [],
      ["not a diffID"],
      [A, B],
      [A],
      [B],
      [A],
    ]);
  });

  it("reuses a launch layer without contents", () => {
    const inputs = planInputs({ buildpacks: [buildpack("b", layer("b", "l", { launch: true, hasContents: false }))] });
    const { steps, layers } = planApp({
      ...inputs,
      previous: { ...inputs.previous, buildpacks: [record("b", { l: A })] },
    });
    expect(steps[1]).toMatchObject({ kind: "reuse", diffId: A, errorContext: "reusing layer: 'b:l'" });
    expect(layers.map(({ key }) => key)).not.toContain("directory:/layers/b/l");
  });

  it.each([
    [
      "a cached launch layer without contents",
      buildpack("b", layer("b", "known", { launch: true, cache: true, hasContents: false })),
      { code: "EXPORT_PLAN_CONTENTS", message: "layer 'b:known' is cache=true but has no contents" },
    ],
    [
      "nothing to reuse",
      buildpack("b", layer("b", "l", { launch: true, hasContents: false })),
      {
        code: "EXPORT_PLAN_REUSE",
        message: "cannot reuse 'b:l', previous image has no metadata for layer 'b:l'",
      },
    ],
    [
      "malformed layers",
      buildpack("b", layer("b", "l", { malformed: "why" }), layer("b", "m", { malformed: "so" })),
      {
        code: "EXPORT_PLAN_MALFORMED",
        message: "failed to parse metadata for layers '[b:l b:m]'",
        hint: "why; so",
      },
    ],
    [
      "a directory that cannot be read",
      { ...buildpack("b"), unreadable: new Fault("EXPORT_INPUT_READ", "open /layers/b: permission denied") },
      { code: "EXPORT_INPUT_READ", message: "open /layers/b: permission denied" },
    ],
  ])("ends the plan at %s", (_, bad, fault) => {
    const good = buildpack("a", layer("a", "l", { launch: true }));
    const previous = { ...planInputs().previous, buildpacks: [record("b", { known: A })] };
    const { steps, layers } = planApp(planInputs({ buildpacks: [good, bad, good], previous }));
    expect(steps.map(word)).toEqual(["a", "a:l <directory:/layers/a/l>", "b", fault.message]);
    expect(steps.at(-1)).toMatchObject({ fault });
    expect(layers.map(({ id }) => id)).toEqual(["a:l"]);
  });

  it("handles launch layers before it rejects malformed ones of the same buildpack", () => {
    const { steps } = planApp(
      planInputs({
        buildpacks: [buildpack("b", layer("b", "a", { malformed: "x" }), layer("b", "l", { launch: true }))],
      }),
    );
    expect(steps.map(({ kind }) => kind)).toEqual(["buildpack", "layer", "fault"]);
  });

  it.each([
    ["", "creating layer '': type is required for all processes"],
    ["a/b", "creating layer '': invalid process type 'a/b': type may not contain characters '/><:|&\\'"],
    ["a\\b", "creating layer '': invalid process type 'a\\b': type may not contain characters '/><:|&\\'"],
    ["a\0b", `creating layer '': archive/tar: cannot encode header: invalid PAX record: "path = /cnb/process/a\\x00b"`],
  ])("rejects the process type '%s' in the order of the steps", (type, message) => {
    const { steps } = planApp(planInputs({ build: { slices: [], processes: [process("web"), process(type)] } }));
    expect(steps.slice(-2).map(word)).toEqual(["buildpacksio/lifecycle:config <directory:/layers/config>", message]);
  });

  it("counts the cache as a consumer of shared layers", () => {
    const inputs = {
      buildpacks: [
        buildpack(
          "b",
          layer("b", "both", { launch: true, cache: true }),
          layer("b", "cached", { cache: true }),
          layer("b", "launched", { launch: true }),
        ),
        // Its layer is the directory of the cache's SBOMs.
        buildpack("sbom", layer("sbom", "cache", { launch: true })),
      ],
      hasCacheSbom: true,
    };
    const consumers = (cache: PlannedCache | undefined) =>
      planApp(planInputs({ ...inputs, cache })).layers.map(({ id, consumers }) => [id, consumers]);
    expect(consumers({ kind: "image" }).slice(0, 3)).toEqual([
      ["b:both", 2],
      ["b:launched", 1],
      ["sbom:cache", 2],
    ]);
    expect(consumers(undefined)[0]).toEqual(["b:both", 1]);
  });

  it("plans a tar of layers for a volume cache, compared with those that it has", () => {
    const buildpacks = [
      buildpack(
        "b",
        layer("b", "new", { launch: true, cache: true }),
        layer("b", "known", { launch: true, cache: true }),
        layer("b", "launched", { launch: true }),
      ),
    ];
    const old = { sbom: "", buildpacks: [record("b", { known: diffIdOfDigit("c"), launched: diffIdOfDigit("d") })] };
    const cache = { kind: "directory", directory: "/cache/staging", old } as const;
    const products = (set: Partial<PlanInputs>) =>
      planApp(planInputs({ buildpacks, ...set }))
        .layers.slice(0, 3)
        .map((plan) => plan.products);
    const directory = "/cache/staging";
    expect(products({ cache })).toEqual([
      { blob: true, tarStream: false, tarFiles: [{ directory, expected: [] }] },
      { blob: true, tarStream: false, tarFiles: [{ directory, expected: [diffIdOfDigit("c")] }] },
      { blob: true, tarStream: false, tarFiles: [] },
    ]);
    expect(products({ cache, appUses: [{ kind: "tar-stream" }] })[0]).toEqual({
      blob: false,
      tarStream: true,
      tarFiles: [{ directory, expected: [] }],
    });
    expect(products({ cache: { kind: "image" }, appUses: [{ kind: "tar-stream" }] }).slice(1)).toEqual([
      { blob: true, tarStream: true, tarFiles: [] },
      { blob: false, tarStream: true, tarFiles: [] },
    ]);
  });

  it("plans tars of all layers for a launch cache, compared with the previous image's", () => {
    const previous = { ...planInputs().previous, buildpacks: [record("b", { known: diffIdOfDigit("c") })] };
    const buildpacks = [buildpack("b", layer("b", "known", { launch: true }), layer("b", "new", { launch: true }))];
    const appUses = [{ kind: "tar-stream" }, { kind: "tar-file", directory: "/launch/staging" }] as const;
    const { layers } = planApp(planInputs({ buildpacks, previous, appUses }));
    expect(layers.map(({ expected, products }) => [expected, products.tarFiles[0]?.expected])).toEqual([
      [[diffIdOfDigit("c")], [diffIdOfDigit("c")]],
      ...layers.slice(1).map(() => [[], []]),
    ]);
    expect(
      layers.map(({ consumers, products }) => ({ ...products, consumers, tarFiles: products.tarFiles.length })),
    ).toEqual(layers.map(() => ({ blob: false, tarStream: true, tarFiles: 1, consumers: 1 })));
  });

  it("lets two ids share a layer only if they are the same directory", () => {
    const { layers, steps } = planApp(
      planInputs({
        buildpacks: [
          buildpack("buildpacksio_lifecycle", layer("buildpacksio_lifecycle", "launcher", { launch: true })),
          buildpack("a/b", layer("a/b", "l", { launch: true })),
          buildpack("a_b", layer("a_b", "l", { launch: true })),
        ],
      }),
    );
    expect(layers.map(({ key, consumers }) => [key, consumers])).toEqual([
      ["directory:/layers/buildpacksio_lifecycle/launcher", 1],
      ["directory:/layers/a_b/l", 2],
      ["launcher", 1],
      ["directory:/layers/config", 1],
      ["app-slice:0", 1],
    ]);
    expect(steps).toHaveLength(9);
  });
});
