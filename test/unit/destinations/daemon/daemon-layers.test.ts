import { describe, expect, test } from "vitest";
import type { DaemonImage } from "../../../../src/destinations/daemon/images.ts";
import { chooseLayers } from "../../../../src/destinations/daemon/load.ts";
import { DaemonSource, daemonLayer } from "../../../../src/destinations/daemon/source-image.ts";
import type { BuiltContent, LayerContent, SourceImage } from "../../../../src/destinations/destination.ts";
import type { Layer } from "../../../../src/engine/layer.ts";
import { type DiffID, digestOf, parseDiffId } from "../../../../src/oci/digest.ts";
import { emptyImageConfig } from "../../../../src/oci/image-config.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map((text) => parseDiffId(digestOf(Buffer.from(text)))) as [
  DiffID,
  DiffID,
  DiffID,
  DiffID,
];

function image(name: string, ...diffIds: DiffID[]): DaemonImage {
  const config = emptyImageConfig({ os: "linux", architecture: "amd64" });
  return { name, id: name, platform: undefined, config: { ...config, rootfs: { type: "layers", diff_ids: diffIds } } };
}

const base = image("run", A);
const layer = {} as Layer;
const built: BuiltContent = { kind: "built", layer, mediaType: Promise.resolve("") };

function existing(diffId: DiffID, from: DaemonImage, otherwise?: BuiltContent): LayerContent<SourceImage> {
  return { kind: "existing", descriptor: daemonLayer(diffId, -1), from: new DaemonSource(from), otherwise };
}

const known = { kind: "known" };
const fromFiles = { kind: "built", layer };

describe("omits layers that a classic daemon has", () => {
  const previous = image("previous", A, B, C, D);

  test("all of an unchanged previous image", () => {
    const contents = [existing(B, previous), existing(C, previous), existing(D, previous)];
    expect(chooseLayers(base, contents, "unknown")).toEqual([known, known, known, known]);
  });

  test("up to the first new layer; those above come from their files or out of the daemon", () => {
    const contents = [existing(B, previous), built, existing(C, previous, built), existing(D, previous)];
    const saved = { kind: "saved", diffId: D, image: previous };
    expect(chooseLayers(base, contents, "unknown")).toEqual([known, known, fromFiles, fromFiles, saved]);
  });

  test("only on top of identical layers", () => {
    expect(chooseLayers(image("other", B), [existing(B, previous, built)], "unknown")).toEqual([known, fromFiles]);
    expect(chooseLayers(base, [existing(C, previous, built)], "unknown")).toEqual([known, fromFiles]);
  });
});

test("sends every layer to a daemon that needs complete images", () => {
  const previous = image("previous", A, B, C);
  expect(chooseLayers(base, [existing(B, previous, built), existing(C, previous)], "all")).toEqual([
    { kind: "saved", diffId: A, image: base },
    fromFiles,
    { kind: "saved", diffId: C, image: previous },
  ]);
});
