import { describe, expect, test } from "vitest";
import { isDistributable, OCI_LAYER_ZSTD } from "../../../src/oci/descriptor.ts";
import { manifestBytes, ownPlatform, parseIndex, parseManifest, selectManifest } from "../../../src/oci/manifest.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const DESCRIPTOR = { mediaType: "m", size: 1, digest: DIGEST };

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

test("a manifest keeps the members of the reference's struct, and drops subject and unknown ones", () => {
  const manifest = parseManifest(
    bytes({
      schemaVersion: 2,
      config: { ...DESCRIPTOR, unknown: 1 },
      layers: null,
      subject: DESCRIPTOR,
      annotations: { a: "b" },
      artifactType: "t",
      more: true,
    }),
  );
  const members = { schemaVersion: 2, config: DESCRIPTOR, layers: [], annotations: { a: "b" }, artifactType: "t" };
  expect(JSON.parse(manifestBytes(manifest).toString())).toEqual(members);
});

test.each([
  ["not JSON", Buffer.from("<html>")],
  ["schema 1", bytes({ schemaVersion: 1, config: DESCRIPTOR })],
  ["no config", bytes({ schemaVersion: 2, layers: [] })],
  ["a negative size", bytes({ schemaVersion: 2, config: { ...DESCRIPTOR, size: -1 } })],
  ["a size beyond 2^53", bytes({ schemaVersion: 2, config: { ...DESCRIPTOR, size: 1e300 } })],
  ["another digest", bytes({ schemaVersion: 2, config: { ...DESCRIPTOR, digest: "md5:0" } })],
])("refuses a manifest with %s", (_name, document) => {
  expect(thrownBy(() => parseManifest(document))).toMatchObject({ code: "EXPORT_IMAGE_MANIFEST" });
});

describe("selectManifest", () => {
  const entry = (n: number, platform?: object) => ({ ...DESCRIPTOR, size: n, ...(platform && { platform }) });
  const index = parseIndex(
    bytes({
      schemaVersion: 2,
      manifests: [
        entry(1, { os: "windows", architecture: "amd64" }),
        entry(2, { os: "linux", architecture: "arm", variant: "v6" }),
        entry(3, { os: "linux", architecture: "arm", variant: "v7" }),
        entry(4),
        entry(5, { os: "linux", architecture: "amd64" }),
      ],
    }),
  );
  test.each([
    [{ os: "linux", architecture: "amd64" }, 4],
    [{ os: "windows", architecture: "amd64" }, 1],
    [{ os: "linux", architecture: "arm" }, 2],
    [{ os: "linux", architecture: "arm", variant: "v7" }, 3],
    [{ os: "linux", architecture: "s390x" }, undefined],
  ])("%j", (platform, size) => {
    expect(selectManifest(index, platform)?.size).toBe(size);
  });
});

test.each([
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ...["", "+gzip", "+zstd"].map((suffix) => `application/vnd.oci.image.layer.nondistributable.v1.tar${suffix}`),
])("layers of type %s may not be distributed", (mediaType) => {
  expect([mediaType, OCI_LAYER_ZSTD].map(isDistributable)).toEqual([false, true]);
});

test.each([
  ["x64", "amd64"],
  ["arm64", "arm64"],
  ["ppc64", "ppc64le"],
  ["s390x", "s390x"],
  ["ia32", "386"],
] as const)("%s is %s in Go's words", (node, go) => {
  expect(ownPlatform(node)).toEqual({ os: "linux", architecture: go });
});
