import { describe, expect, test } from "vitest";
import { buildAppImage } from "../../../src/images/app-image.ts";
import { appImageDamage, cacheImageDamage, checkImage, type OwnLayer } from "../../../src/images/integrity.ts";
import { type Descriptor, OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../../src/oci/descriptor.ts";
import { digestOf, parseDiffId } from "../../../src/oci/digest.ts";
import { emptyImageConfig, type ImageConfig, imageConfigBytes } from "../../../src/oci/image-config.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const diffId = (name: string) => parseDiffId(digestOf(Buffer.from(`tar of ${name}`)));
const blob = (name: string): Descriptor => {
  const bytes = Buffer.from(`blob of ${name}`);
  return { mediaType: OCI_LAYER_GZIP, size: bytes.length, digest: digestOf(bytes) };
};

const entry = (created_by = "") => ({ author: "", created: "t", created_by, comment: "", empty_layer: false });

function configOf(names: readonly string[], label = "", key = "io.buildpacks.lifecycle.metadata"): ImageConfig {
  const config = emptyImageConfig({ os: "linux", architecture: "amd64" });
  return {
    ...config,
    created: "t",
    history: names.map(() => entry()),
    rootfs: { type: "layers", diff_ids: names.map(diffId) },
    config: { ...config.config, Labels: new Map(label === "" ? [] : [[key, label]]) },
  };
}

const existing = (names: readonly string[], label?: string) => ({
  name: "previous",
  config: configOf(names, label),
  layers: names.map(blob),
});

const RUN = "registry.example/run@sha256:1";
const BASE = { ...existing(["os", "stack"]), name: "run", reference: RUN };

/** An image with these diffIDs and blobs, based on {@link BASE}'s manifest. */
function built(diffIds: readonly string[], blobs: readonly Descriptor[], history = diffIds.length) {
  const config = { ...configOf(diffIds), history: Array.from({ length: history }, () => entry()) };
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, size: 0, digest: digestOf(Buffer.from("")) },
    layers: [],
  };
  return buildAppImage({ config, manifest, mediaType: OCI_MANIFEST }, imageConfigBytes(config), blobs);
}

const ids = ["os", "stack", "jdk", "app"];
const own = (id: string, more: Partial<OwnLayer> = {}): OwnLayer => ({
  id,
  diffId: diffId(id),
  from: undefined,
  canBeBuilt: true,
  ...more,
});
const OWN = [own("jdk"), own("app")];

describe("an image is refused", () => {
  const previous = existing(["os", "stack", "jdk", "app"]);
  const taken = [own("jdk", { from: previous, canBeBuilt: false }), own("app")];
  const blobs = ids.map(blob);

  test("not when all of it belongs together", () => {
    checkImage("app", built(ids, blobs), BASE, OWN);
    checkImage("app", built(ids, blobs), BASE, taken);
    // Rebuilt, because the registry lost a blob that it lists.
    const made = blobs.with(2, blob("jdk by another compressor"));
    checkImage("app", built(ids, made), BASE, [own("jdk", { from: previous }), own("app")]);
    checkImage("cache", built(["jdk"], [blob("jdk")]), undefined, [own("jdk")]);
  });

  test.each<[string, Parameters<typeof checkImage>[1], readonly OwnLayer[], string]>([
    ["a layer too few", built(ids, blobs.slice(1)), OWN, "it has 3 layers, 4 diffIDs and 4 history entries for them"],
    ["a diffID too few", built(ids.slice(1), blobs), OWN, "it has 4 layers, 3 diffIDs and 3 history entries for them"],
    ["a history entry too few", built(ids, blobs, 3), OWN, "it has 4 layers, 4 diffIDs and 3 history entries for them"],
    ["a layer that no part has", built(ids, blobs), [own("jdk")], "it has 4 layers, and its parts have 3"],
    ["another blob for a base layer", built(ids, blobs.with(1, blob("x"))), OWN, "layer 1 is not that of run"],
    [
      "another media type for a base layer",
      built(ids, blobs.with(0, { ...blob("os"), mediaType: "" })),
      OWN,
      "layer 0 is not that of run",
    ],
    ["another diffID for a base layer", built(ids.with(0, "x"), blobs), OWN, "layer 0 is not that of run"],
    [
      "another diffID for a layer",
      built(ids.with(3, "x"), blobs),
      OWN,
      `diffID ${diffId("x")} is not that of layer 'app'`,
    ],
    [
      "layers in another order",
      built(["os", "stack", "app", "jdk"], blobs),
      OWN,
      `diffID ${diffId("app")} is not that of`,
    ],
    [
      "a blob that the previous image lists with another diffID",
      built(ids, blobs.with(2, blob("app"))),
      [own("jdk", { from: previous }), own("app")],
      "layer 'jdk' is not one of previous",
    ],
    [
      "a blob of another size than the previous image lists",
      built(ids, blobs.with(2, { ...blob("jdk"), size: 1 })),
      [own("jdk", { from: previous }), own("app")],
      "layer 'jdk' is not one of previous",
    ],
    [
      "a blob that the previous image does not list, where the layer cannot be built",
      built(ids, blobs.with(2, blob("x"))),
      taken,
      "layer 'jdk' is not one of previous",
    ],
  ])("for %s", (_what, image, layers, reason) => {
    expect(thrownBy(() => checkImage("app", image, BASE, layers))).toMatchObject({
      code: "EXPORT_IMAGE_MANIFEST",
      message: expect.stringContaining(`image app would be broken, so it is not saved: ${reason}`),
    });
  });
});

describe("a previous image is not reused", () => {
  const sha = (name: string) => ({ sha: diffId(name) });
  const label = JSON.stringify({
    app: [sha("app")],
    buildpacks: [{ key: "b", layers: { jdk: { ...sha("jdk"), launch: true } } }],
    launcher: sha("launcher"),
    config: { sha: "" },
    sbom: null,
    runImage: { topLayer: diffId("stack"), reference: RUN },
  });
  const whole = ["os", "stack", "jdk", "app", "launcher"];

  test.each<[string, readonly string[], string | undefined]>([
    ["not when label and config agree", whole, label],
    ["not for layers that the label does not name", ["os", "stack", "extension", "jdk", "app", "launcher", "x"], label],
    ["not without a label", whole, undefined],
    ["not for a label that cannot be read", whole, "{"],
  ])("%s", (_what, names, text) => {
    expect(appImageDamage(existing(names, text), BASE)).toBeUndefined();
  });

  test("when its config lists only once an app layer with the contents of a run image layer", () => {
    const run = { topLayer: diffId("stack"), reference: RUN };
    const ofRun = JSON.stringify({ app: [sha("os"), sha("stack")], runImage: run });
    expect(appImageDamage(existing(["os", "stack", "os", "stack"], ofRun), BASE)).toBeUndefined();
    expect(appImageDamage(existing(["os", "stack", "os"], ofRun), BASE)).toMatch(/below those of its run image$/);
  });

  test.each<[string, readonly string[], RegExp]>([
    [
      "when its config lacks a layer",
      whole.with(2, "x"),
      /^its label names layer sha256:\w+, which its config does not/,
    ],
    ["when its diffIDs are shifted up", ["launcher", "os", "stack", "jdk", "app"], /below those of its run image$/],
    [
      "when its diffIDs are shifted down",
      ["stack", "jdk", "app", "launcher", "os"],
      /^its config lists other layers than those of its run image$/,
    ],
  ])("%s", (_what, names, reason) => {
    expect(appImageDamage(existing(names, label), BASE)).toMatch(reason);
  });

  test.each([
    ["replaced the layer below its last one", ["os update", "stack"]],
    ["adds a layer below its last one", ["os", "update", "stack"]],
    ["has lost the layers below its last one", ["stack"]],
  ])("not when an update of the run image %s", (_what, names) => {
    const updated = { ...existing(names), name: "run", reference: "registry.example/run@sha256:2" };
    expect(appImageDamage(existing(whole, label), updated)).toBeUndefined();
  });

  test("not when a tool that does not know the label rebased it", () => {
    const updated = {
      ...existing(["os update", "stack update"]),
      name: "run",
      reference: "registry.example/run@sha256:2",
    };
    expect(
      appImageDamage(existing(["os update", "stack update", "jdk", "app", "launcher"], label), updated),
    ).toBeUndefined();
  });

  test("when its diffIDs are shifted below its history", () => {
    const other = { ...existing(["another"]), name: "run", reference: "registry.example/run@sha256:2" };
    const history = whole.map((name) => entry(name === "launcher" ? "Buildpacks Application Launcher" : ""));
    const image = (names: readonly string[], listed = history) => {
      const { config, ...rest } = existing(names, label);
      return { ...rest, config: { ...config, history: listed } };
    };
    const shifted = ["stack", "jdk", "app", "launcher", "os"];
    const moved = "its history has 'Buildpacks Application Launcher' at another place than its config";
    expect(appImageDamage(image(whole), other)).toBeUndefined();
    expect(appImageDamage(image(shifted), other)).toBe(moved);
    const [, , , , launcher = entry()] = history;
    // The layer right above the run image's.
    expect(appImageDamage(image(whole, [entry(), entry(), launcher, entry(), launcher]), other)).toBe(moved);
    // The run image may be an app image itself.
    expect(appImageDamage(image(whole, history.with(1, launcher)), other)).toBeUndefined();
    expect(appImageDamage(image(shifted, [{ ...entry(), empty_layer: true }, ...history]), other)).toBe(moved);
    // Without an entry for each layer, none says which layer it is about.
    expect(appImageDamage(image(whole, history.slice(1)), other)).toBeUndefined();
  });

  test("when it has more diffIDs than layers", () => {
    const image = existing(whole, label);
    expect(appImageDamage({ ...image, layers: image.layers.slice(1) }, BASE)).toBe("it has 4 layers and 5 diffIDs");
  });
});

describe("a cache image", () => {
  const layer = (name: string) => ({ sha: diffId(name), cache: true });
  const buildpacks = [
    { key: "a", layers: { jdk: layer("jdk"), maven: layer("maven") } },
    { key: "b", layers: { copy: layer("jdk"), none: { sha: "" } } },
  ];
  const label = JSON.stringify({ sbom: { sha: diffId("sbom") }, buildpacks });
  const cache = (names: readonly string[], text = label) => ({
    ...existing(names),
    config: configOf(names, text, "io.buildpacks.lifecycle.cache.metadata"),
  });

  test.each([
    ["with the layers of its label", cache(["jdk", "maven", "sbom"])],
    ["with layers that are listed twice", cache(["jdk", "jdk", "maven", "maven", "jdk", "sbom"])],
    ["without a label", cache(["x"], "")],
    ["without layers", cache(["empty"], '{"sbom":{"sha":""},"buildpacks":[{"key":"a","layers":{}}]}')],
  ])("%s is sound", (_what, image) => {
    expect(cacheImageDamage(image)).toBeUndefined();
  });

  test.each([
    ["without a layer of its label", cache(["jdk", "maven"])],
    ["with another layer", cache(["jdk", "maven", "x"])],
    ["with one layer more", cache(["jdk", "maven", "sbom", "x"])],
    ["with its layers in another order", cache(["maven", "sbom", "jdk"])],
  ])("%s is damaged", (_what, image) => {
    expect(cacheImageDamage(image)).toBe("its config lists other layers than its label");
  });

  test("with more diffIDs than layers is damaged", () => {
    expect(cacheImageDamage({ ...cache(["jdk"]), layers: [] })).toBe("it has 0 layers and 1 diffIDs");
  });
});
