import { DaemonApp } from "../destinations/daemon/app-image.ts";
import { DaemonConnection } from "../destinations/daemon/connection.ts";
import type { AppDestination } from "../destinations/destination.ts";
import { LayoutApp } from "../destinations/layout/app-image.ts";
import { RegistryApp } from "../destinations/registry/app-image.ts";
import type { Registries } from "../destinations/registry/registries.ts";
import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { DockerClient } from "../docker/client.ts";
import type { BlobFiles } from "../engine/layer.ts";
import type { Logger } from "../logger.ts";
import type { Monitor } from "../observe/monitor.ts";
import type { ResolvedInputs } from "../plan/inputs.ts";

/** The app image's destination, and what the rest of the machinery has to know of it. */
export interface ChosenDestination {
  readonly app: AppDestination;
  /** Of a registry, for a cache image in the same one. */
  readonly appRepository: RegistryRepository | undefined;
  /** Where it wants blobs to be made. */
  readonly blobFiles: BlobFiles;
  /** Leaves nothing behind that is not part of an image, and no connection. */
  close(): void | Promise<void>;
}

/** What destinations are reached with. */
export interface Connections {
  readonly registries: Registries;
  /** Present for `-daemon`. */
  readonly docker: DockerClient | undefined;
  readonly logger: Logger;
  /** Told of all that is brought to a destination. */
  readonly monitor: Monitor;
}

/** Opens the destination that the flags say. */
export function chooseDestination(
  inputs: ResolvedInputs,
  { registries, docker, logger, monitor }: Connections,
): ChosenDestination {
  if (inputs.settings.layout) {
    const app = new LayoutApp(inputs, monitor);
    return { app, appRepository: undefined, blobFiles: app.blobFiles, close: () => app.close() };
  }
  const blobFiles: BlobFiles = async () => undefined;
  if (docker !== undefined) {
    const app = new DaemonApp(inputs, new DaemonConnection(docker), logger, monitor);
    return { app, appRepository: undefined, blobFiles, close: () => app.close() };
  }
  const app = new RegistryApp(inputs, registries, logger, monitor);
  return { app, appRepository: app.repository, blobFiles, close: () => undefined };
}
