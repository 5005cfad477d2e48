import { type ImageConfig, parseImageConfig } from "../../oci/image-config.ts";
import type { ImageManifest } from "../../oci/manifest.ts";
import { layerTypeUpon, type RunImage, type SourceImage } from "../destination.ts";
import type { LayoutImage } from "./images.ts";

export class LayoutSource implements SourceImage {
  readonly image: LayoutImage;
  readonly config: ImageConfig;

  constructor(image: LayoutImage) {
    this.image = image;
    this.config = parseImageConfig(image.configBytes, this.name);
  }

  get name(): string {
    return `${this.image.path}@${this.image.descriptor.digest}`;
  }

  get layers(): ImageManifest["layers"] {
    return this.image.manifest.layers;
  }
}

export class LayoutRunImage extends LayoutSource implements RunImage {
  readonly newLayerMediaType: string;

  constructor(image: LayoutImage, compression: "gzip" | "zstd") {
    super(image);
    this.newLayerMediaType = layerTypeUpon(this, this.mediaType, compression);
  }

  get manifest(): ImageManifest {
    return this.image.manifest;
  }

  get mediaType(): string {
    return this.image.descriptor.mediaType;
  }

  get reference(): string {
    return this.name;
  }
}
