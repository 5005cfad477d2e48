import type { Registries } from "../destinations/registry/registries.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { ResolvedInputs } from "../inputs/resolve-settings.ts";
import type { BlobFiles } from "../layers/layer.ts";
import type { AppDestination } from "./app-destination.ts";
import { LayoutApp } from "./layout-app.ts";
import { RegistryApp } from "./registry-app.ts";

/** The app image's destination, and what the rest of the machinery has to know of it. */
export interface ChosenDestination {
  readonly app: AppDestination;
  /** Of a registry, for a cache image in the same one. */
  readonly appRepository: RegistryRepository | undefined;
  /** Where it wants blobs to be made. */
  readonly blobFiles: BlobFiles;
  /** Leaves nothing behind that is not part of an image. */
  close(): void;
}

/** Opens the destination that the flags say. */
export function chooseDestination(inputs: ResolvedInputs, registries: Registries): ChosenDestination {
  if (inputs.settings.layout) {
    const app = new LayoutApp(inputs);
    return { app, appRepository: undefined, blobFiles: app.blobFiles, close: () => app.close() };
  }
  const app = new RegistryApp(inputs, registries);
  return { app, appRepository: app.repository, blobFiles: async () => undefined, close: () => undefined };
}
