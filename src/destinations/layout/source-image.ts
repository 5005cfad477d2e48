import { newLayerMediaType } from "../../images/image.ts";
import { checkCounts } from "../../images/integrity.ts";
import type { RunImage } from "../destination.ts";
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
    checkCounts(this);
    this.newLayerMediaType = newLayerMediaType(this.mediaType, compression);
  }
}
