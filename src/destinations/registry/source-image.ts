import { layerTypeUpon, noLayersFault, type RunImage } from "../destination.ts";
import { ManifestImage } from "../manifest-image.ts";
import type { RemoteImage } from "./image.ts";
import type { RegistryRepository } from "./repository.ts";

export class RegistryImage extends ManifestImage<RemoteImage> {
  readonly repository: RegistryRepository;

  constructor(repository: RegistryRepository, image: RemoteImage) {
    super(image.reference.name, image);
    this.repository = repository;
  }
}

export class RegistryRunImage extends RegistryImage implements RunImage {
  readonly newLayerMediaType: string;

  constructor(repository: RegistryRepository, image: RemoteImage, compression: "gzip" | "zstd") {
    super(repository, image);
    this.newLayerMediaType = layerTypeUpon(this, this.mediaType, compression);
    if (this.layers.length === 0) throw noLayersFault(this.name);
  }
}
