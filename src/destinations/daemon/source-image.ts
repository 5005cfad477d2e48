import { type Descriptor, DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST } from "../../oci/descriptor.ts";
import { type DiffID, parseDiffId, parseDigest, withoutAlgorithm } from "../../oci/digest.ts";
import type { ImageConfig } from "../../oci/image-config.ts";
import type { ManifestMembers } from "../../oci/manifest.ts";
import type { RunImage, SourceImage } from "../destination.ts";
import type { DaemonImage } from "./images.ts";

/**
 * The reference's size for a layer that stays in the daemon. A daemon's images have no manifests; the one computed for
 * the report's `manifest-size` uses diffIDs as layer digests (docs/compatibility.md#daemon-manifest-size).
 */
const UNKNOWN_SIZE = -1;

export class DaemonSource implements SourceImage {
  readonly stored: DaemonImage;
  readonly layers: readonly Descriptor[];

  constructor(stored: DaemonImage) {
    this.stored = stored;
    this.layers = stored.config.rootfs.diff_ids.map((diffId) => daemonLayer(diffId, UNKNOWN_SIZE));
  }

  get name(): string {
    return this.stored.name;
  }

  get config(): ImageConfig {
    return this.stored.config;
  }
}

export class DaemonRunImage extends DaemonSource implements RunImage {
  readonly newLayerMediaType = DOCKER_LAYER_GZIP;
  readonly mediaType = DOCKER_MANIFEST;

  get manifest(): ManifestMembers {
    // The new image's config replaces this descriptor's digest and size.
    const config: Descriptor = { mediaType: DOCKER_CONFIG, size: 0, digest: parseDigest(this.stored.id) };
    return { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers: this.layers };
  }

  get reference(): string {
    return withoutAlgorithm(this.stored.id);
  }
}

export function daemonLayer(diffId: DiffID, size: number): Descriptor {
  // An uncompressed layer's digest is its diffID.
  return { mediaType: DOCKER_LAYER_GZIP, size, digest: parseDigest(diffId) };
}

export function diffIdOf({ digest }: Descriptor): DiffID {
  return parseDiffId(digest);
}
