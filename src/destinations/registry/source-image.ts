import { newLayerMediaType } from "../../images/image.ts";
import { checkCounts } from "../../images/integrity.ts";
import { noLayersFault, type RunImage } from "../destination.ts";
import { ManifestImage } from "../manifest-image.ts";
import type { RegistryImage } from "./images.ts";
import type { RegistryRepository } from "./repository.ts";

export class RegistrySource extends ManifestImage<RegistryImage> {
  readonly repository: RegistryRepository;

  constructor(repository: RegistryRepository, image: RegistryImage) {
    super(image.reference.name, image);
    this.repository = repository;
  }
}

export class RegistryRunImage extends RegistrySource implements RunImage {
  readonly newLayerMediaType: string;

  constructor(repository: RegistryRepository, image: RegistryImage, compression: "gzip" | "zstd") {
    super(repository, image);
    checkCounts(this);
    this.newLayerMediaType = newLayerMediaType(this.mediaType, compression);
    if (this.layers.length === 0) throw noLayersFault(this.name);
  }
}
