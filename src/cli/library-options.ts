import { PLATFORM_API_ENV, parsePlatformApi } from "../cnb/api.ts";
import { flagRows, type RunCommand, unparsedFlags } from "./command-line.ts";
import type { Environment } from "./environment.ts";
import { FlagValues } from "./flags.ts";
import type { Machine } from "./machine.ts";
import type { FlagValue } from "./parse.ts";

/**
 * What to export and how: each option but `images` is the exporter's flag of that name (docs/compatibility.md#flags,
 * README.md). Omitted options come from the flag's environment variable, then from its default. Relative paths are
 * resolved against the working directory.
 */
export interface ExportOptions {
  /** Names of the app image; the first names it in the log, all point to it in the end. In layout mode they become paths. */
  readonly images: readonly [string, ...string[]];
  /** Directory of the layers that the buildpacks left. Default `/layers`. */
  readonly layers?: string;
  /** Directory of the app. Default `/workspace`. */
  readonly app?: string;
  /** Path of analyzed.toml. Default `<layers>/analyzed.toml`. */
  readonly analyzed?: string;
  /** Path of group.toml. Default `<layers>/group.toml`. */
  readonly group?: string;
  /** Directory of the layers that extensions made. Default `<layers>/extended`. */
  readonly extended?: string;
  /** Path of the launcher. Default `/cnb/lifecycle/launcher`. */
  readonly launcher?: string;
  /** Directory of the launcher's SBOMs. Default `/cnb/lifecycle`. */
  readonly launcherSbom?: string;
  /** Path of project-metadata.toml. Default `<layers>/project-metadata.toml`. */
  readonly projectMetadata?: string;
  /** Path that report.toml is written to. Default `<layers>/report.toml`. */
  readonly report?: string;
  /** Path of run.toml, from Platform API 0.12 on. Default `/cnb/run.toml`. */
  readonly run?: string;
  /** Path of stack.toml, before Platform API 0.12. Default `/cnb/stack.toml`. */
  readonly stack?: string;
  /** Name of the cache image. */
  readonly cacheImage?: string;
  /** Directory of the cache. */
  readonly cacheDir?: string;
  /** Directory in which layers are kept for the next export into a daemon. */
  readonly launchCache?: string;
  /** Export the app image and the cache at the same time (RFC 0125). */
  readonly parallel?: boolean;
  /** Export the app image into the Docker daemon that `DOCKER_HOST` names. */
  readonly daemon?: boolean;
  /** Export the app image as an OCI image layout below `layoutDir`. */
  readonly layout?: boolean;
  /** Directory below which layouts are, the run image's too. */
  readonly layoutDir?: string;
  /** The process type that starts without being asked for. */
  readonly processType?: string;
  /** Hosts of registries that are reached by plain HTTP or with certificates that nobody vouches for. */
  readonly insecureRegistry?: readonly string[];
  /** User that owns the files in layers. */
  readonly uid?: number;
  /** Group that owns the files in layers. */
  readonly gid?: number;
  /** Threads that read and compress. Default: the cores that the process may use, fewer where memory is short. */
  readonly workers?: number;
  /** Uploads to one registry at a time. Default 8. */
  readonly uploadConcurrency?: number;
  /** How long a request to a registry is tried again while it fails, as `90s`, `5m` (the default) or `1h30m`; `0`: one try. */
  readonly retryBudget?: string;
  /** Of new layers. Default `gzip`; `zstd` needs a run image with an OCI manifest. */
  readonly compression?: "gzip" | "zstd";
  /** 1 (fastest, the default) to 9 (smallest). */
  readonly compressionLevel?: number;
  /** Directory where compressed layers wait for their uploads. Default: that for temporary files. */
  readonly spoolDir?: string;
  /** Path that a timeline is written to, ending in `.html` or `.json`. */
  readonly timeline?: string;
}

/**
 * The command that a command line with these options would be.
 * @throws Fault when CNB_PLATFORM_API in `env` is missing or unsupported
 */
export function commandOf({ images, ...options }: ExportOptions, env: Environment, machine: Machine): RunCommand {
  const given = Object.entries<FlagValue | undefined>(options)
    .filter((entry): entry is [string, FlagValue] => entry[1] !== undefined)
    .map(([name, value]) => [flagName(name), value] as const);
  const platformApi = parsePlatformApi(env[PLATFORM_API_ENV]);
  const initial = unparsedFlags(flagRows(machine), env);
  return { platformApi, machine, flags: new FlagValues(new Map([...initial, ...given])), positionals: images };
}

/** `cache-image` for `cacheImage`. */
export function flagName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
