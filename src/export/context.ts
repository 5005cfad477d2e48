import type { ExportDocuments } from "../build-output/documents.ts";
import type { LauncherRelease } from "../cnb/build-metadata.ts";
import type { AppDestination } from "../destinations/destination.ts";
import type { Registries } from "../destinations/registry/registries.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { LayerStore } from "../engine/layer-store.ts";
import type { Logger } from "../logger.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";

/** What an export is given: its resolved inputs, and the machinery that the process set up for it. */
export interface ExportRun extends ResolvedInputs {
  readonly registries: Registries;
  readonly app: AppDestination;
  /** Where the app image's blobs go if it goes to a registry; a cache image in that registry mounts them from there. */
  readonly appRepository: RegistryRepository | undefined;
  readonly store: LayerStore;
  readonly launcherRelease: Promise<LauncherRelease>;
  readonly logger: Logger;
  readonly monitor: Monitor;
}

/** What all parts of a running export share. */
export interface ExportContext extends ExportRun {
  readonly documents: ExportDocuments;
}
