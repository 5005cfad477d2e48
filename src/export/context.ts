import type { ExportDocuments } from "../build-output/documents.ts";
import type { LauncherRelease } from "../cnb/build-metadata.ts";
import type { AppDestination } from "../destinations/destination.ts";
import type { Registries } from "../destinations/registry/registries.ts";
import type { LayerStore } from "../engine/layer-store.ts";
import type { Logger } from "../logger.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";

export interface ExportContext extends ResolvedInputs {
  readonly documents: ExportDocuments;
  readonly registries: Registries;
  readonly app: AppDestination;
  readonly store: LayerStore;
  readonly launcherRelease: Promise<LauncherRelease>;
  readonly logger: Logger;
  readonly monitor: Monitor;
}
