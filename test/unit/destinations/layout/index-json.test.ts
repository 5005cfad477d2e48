import { expect, test } from "vitest";
import { indexJson } from "../../../../src/destinations/layout/layout.ts";
import { OCI_MANIFEST } from "../../../../src/oci/descriptor.ts";
import type { Digest } from "../../../../src/oci/digest.ts";

test("index.json has the reference's bytes", () => {
  const digest = `sha256:${"a".repeat(64)}` as Digest;
  const annotations = { of: "the manifest" };
  expect(indexJson({ mediaType: OCI_MANIFEST, size: 1083, digest, annotations }, "v1.2_3-x")).toBe(`{
   "schemaVersion": 2,
   "mediaType": "application/vnd.oci.image.index.v1+json",
   "manifests": [
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "size": 1083,
         "digest": "${digest}",
         "annotations": {
            "org.opencontainers.image.ref.name": "v1.2_3-x"
         }
      }
   ]
}`);
});
