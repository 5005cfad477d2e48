import type { Descriptor } from "../oci/descriptor.ts";
import { type ImageConfig, parseImageConfig } from "../oci/image-config.ts";
import type { ImageManifest } from "../oci/manifest.ts";
import type { SourceImage } from "./destination.ts";

interface StoredImage {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configBytes: Buffer;
}

export abstract class ManifestImage<Stored extends StoredImage> implements SourceImage {
  readonly name: string;
  readonly stored: Stored;
  readonly config: ImageConfig;

  constructor(name: string, stored: Stored) {
    this.name = name;
    this.stored = stored;
    this.config = parseImageConfig(stored.configBytes, name);
  }

  get reference(): string {
    return this.name;
  }

  get manifest(): ImageManifest {
    return this.stored.manifest;
  }

  get mediaType(): string {
    return this.stored.descriptor.mediaType;
  }

  get layers(): ImageManifest["layers"] {
    return this.manifest.layers;
  }
}
