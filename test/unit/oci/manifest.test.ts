import { describe, expect, test } from "vitest";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isDistributable,
  OCI_INDEX,
  OCI_LAYER_ZSTD,
  OCI_MANIFEST,
} from "../../../src/oci/descriptor.ts";
import { isSha256 } from "../../../src/oci/digest.ts";
import {
  isIndex,
  manifestBytes,
  ownPlatform,
  parseIndex,
  parseManifest,
  selectManifest,
} from "../../../src/oci/manifest.ts";
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

test.each([
  ["sent as one", OCI_INDEX, {}],
  ["sent as Docker's", DOCKER_MANIFEST_LIST, {}],
  ["with its media type", "text/plain", { mediaType: OCI_INDEX }],
  ["with manifests and no layers", "", { manifests: [] }],
])("a document %s is an index", (_what, sentAs, document) => {
  expect(isIndex(sentAs, bytes(document))).toBe(true);
});

test.each([
  ["sent as a manifest", OCI_MANIFEST, { manifests: [] }],
  ["sent as Docker's manifest", DOCKER_MANIFEST, { manifests: [] }],
  ["with a manifest's media type", "text/plain", { mediaType: OCI_MANIFEST, manifests: [] }],
  ["with layers", "", { manifests: [], layers: [] }],
  ["that is no object", "", []],
])("a document %s is not an index", (_what, sentAs, document) => {
  expect(isIndex(sentAs, bytes(document))).toBe(false);
});

test.each([
  ["another algorithm", DIGEST.replace("256", "512")],
  ["upper-case digits", DIGEST.replaceAll("a", "A")],
  ["a digit too few", DIGEST.slice(0, -1)],
  ["a digit too many", `${DIGEST}a`],
  ["a path after it", `${DIGEST}/../x`],
  ["a text before it", `x${DIGEST}`],
])("isSha256 rejects a digest with %s", (_what, text) => {
  expect([DIGEST, text].map(isSha256)).toEqual([true, false]);
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
