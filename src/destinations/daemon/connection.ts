import { type DockerClient, isAtLeast, unlessRefused, versionType } from "../../docker/client.ts";
import { list, struct, text } from "../../go/json-decode.ts";

/** The first API version that can look up an image by platform (docs/compatibility.md#daemon-images). */
const PLATFORM_AWARE_API = "1.49";

const CONTAINERD_SNAPSHOTTER = "io.containerd.snapshotter.v1";

const infoType = struct({ DriverStatus: list(list(text)) });

export type DaemonStorage = "classic" | "containerd";

export class DaemonConnection {
  readonly docker: DockerClient;
  #storage: Promise<DaemonStorage> | undefined;
  #isPlatformAware: Promise<boolean> | undefined;

  constructor(docker: DockerClient) {
    this.docker = docker;
  }

  storage(signal: AbortSignal): Promise<DaemonStorage> {
    this.#storage ??= this.#readStorage(signal);
    return this.#storage;
  }

  isPlatformAware(signal: AbortSignal): Promise<boolean> {
    this.#isPlatformAware ??= this.#readPlatformAware(signal);
    return this.#isPlatformAware;
  }

  async #readStorage(signal: AbortSignal): Promise<DaemonStorage> {
    try {
      const { DriverStatus } = await this.docker.json({ method: "GET", path: "/info" }, infoType, signal);
      const isContainerd = DriverStatus.some(
        ([key, value]) => key === "driver-type" && value === CONTAINERD_SNAPSHOTTER,
      );
      return isContainerd ? "containerd" : "classic";
    } catch {
      signal.throwIfAborted();
      return "classic";
    }
  }

  async #readPlatformAware(signal: AbortSignal): Promise<boolean> {
    const used = await this.docker.version(signal);
    if (!isAtLeast(used, PLATFORM_AWARE_API)) return false;
    // If a proxy in front of the daemon refuses this request, images are requested without a platform, which all
    // daemons understand.
    const request = { method: "GET", path: "/version" } as const;
    const version = await this.docker.json(request, versionType, signal).catch(unlessRefused);
    return version !== undefined && isAtLeast(version.ApiVersion, PLATFORM_AWARE_API);
  }
}
