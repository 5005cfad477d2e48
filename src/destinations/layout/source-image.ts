import { layerTypeUpon, type RunImage } from "../destination.ts";
import { ManifestImage } from "../manifest-image.ts";
import type { LayoutImage } from "./images.ts";

export class LayoutSource extends ManifestImage<LayoutImage> {
  constructor(image: LayoutImage) {
    super(`${image.path}@${image.descriptor.digest}`, image);
  }
}

export class LayoutRunImage extends LayoutSource implements RunImage {
  readonly newLayerMediaType: string;

  constructor(image: LayoutImage, compression: "gzip" | "zstd") {
    super(image);
    this.newLayerMediaType = layerTypeUpon(this, this.mediaType, compression);
  }
}
