import { type ImageConfig, parseImageConfig } from "../../oci/image-config.ts";
import type { ImageManifest } from "../../oci/manifest.ts";
import { layerTypeUpon, type RunImage, type SourceImage } from "../destination.ts";
import type { RemoteImage } from "./image.ts";
import type { RegistryRepository } from "./repository.ts";

export class RegistryImage implements SourceImage {
  readonly repository: RegistryRepository;
  readonly image: RemoteImage;
  readonly config: ImageConfig;

  constructor(repository: RegistryRepository, image: RemoteImage) {
    this.repository = repository;
    this.image = image;
    this.config = parseImageConfig(image.configBytes, image.reference.name);
  }

  get name(): string {
    return this.image.reference.name;
  }

  get layers(): ImageManifest["layers"] {
    return this.image.manifest.layers;
  }
}

export class RegistryRunImage extends RegistryImage implements RunImage {
  readonly newLayerMediaType: string;

  constructor(repository: RegistryRepository, image: RemoteImage, compression: "gzip" | "zstd") {
    super(repository, image);
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
