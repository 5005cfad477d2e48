import { describe, expect, it } from "vitest";
import { cacheMetadataJson, EMPTY_CACHE_METADATA } from "../../../src/cnb/lifecycle-metadata.ts";
import { buildCacheImage, cacheConfigBytes, EMPTY_LAYER_BYTES } from "../../../src/images/cache-image.ts";
import { DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD } from "../../../src/oci/descriptor.ts";
import { digestOf, parseDiffId } from "../../../src/oci/digest.ts";

const EMPTY_DIGEST = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
const METADATA = '{\\"sbom\\":{\\"sha\\":\\"\\"},\\"buildpacks\\":null}';
const digest = digestOf(Buffer.from("layer"));

function config(diffIds: readonly string[]): string {
  const history = diffIds.map(() => '{"created":"1980-01-01T00:00:01Z"}').join(",");
  return (
    `{"architecture":"","created":"1980-01-01T00:00:01Z","history":[${history}],"os":"linux",` +
    `"rootfs":{"type":"layers","diff_ids":[${diffIds.map((id) => `"${id}"`).join(",")}]},` +
    `"config":{"Labels":{"io.buildpacks.lifecycle.cache.metadata":"${METADATA}"}}}`
  );
}

describe("buildCacheImage", () => {
  it("lists each layer once, with the OCI media type", () => {
    const diffIds = ["1", "2"].map((digit) => parseDiffId(`sha256:${digit.repeat(64)}`));
    const mediaTypes = [DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD];
    const layers = mediaTypes.map((mediaType) => ({ mediaType, size: 7, digest, annotations: { a: "b" } }));
    const image = buildCacheImage(cacheConfigBytes(diffIds, cacheMetadataJson(EMPTY_CACHE_METADATA)), layers);
    const bytes = Buffer.from(config(diffIds));
    expect(Buffer.from(image.configBytes).toString()).toBe(bytes.toString());
    const rest = `"size":7,"digest":"${digest}","annotations":{"a":"b"}}`;
    expect(Buffer.from(image.manifestBytes).toString()).toBe(
      `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
        `"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":${bytes.length},"digest":"${digestOf(bytes)}"},` +
        `"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",${rest},` +
        `{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd",${rest}]}`,
    );
  });

  it("has one empty, uncompressed layer when there are none", () => {
    const image = buildCacheImage(cacheConfigBytes([], cacheMetadataJson(EMPTY_CACHE_METADATA)), []);
    expect(digestOf(EMPTY_LAYER_BYTES)).toBe(EMPTY_DIGEST);
    expect(image.layers).toEqual([
      { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", size: 1024, digest: EMPTY_DIGEST },
    ]);
    expect(Buffer.from(image.configBytes).toString()).toBe(config([EMPTY_DIGEST]));
  });
});
