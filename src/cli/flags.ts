import type { PlatformGate } from "../cnb/api.ts";
import { defaultWorkers, type Machine } from "./machine.ts";
import type { FlagInitial, FlagValue } from "./parse.ts";

type Row = (typeof REFERENCE_FLAGS)[number] | ReturnType<typeof tuningFlags>[number];
type NameOf<Type extends Row["type"]> = Extract<Row, { readonly type: Type }>["name"];

/** The values of all flags after the command line was parsed, those that do not exist at this Platform API included. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, FlagValue>;

  constructor(values: ReadonlyMap<string, FlagValue>) {
    this.#values = values;
  }

  string(name: NameOf<"string">): string {
    const value = this.#values.get(name);
    if (typeof value !== "string") throw new TypeError(`-${name} is not defined as a string`);
    return value;
  }

  bool(name: NameOf<"bool">): boolean {
    const value = this.#values.get(name);
    if (typeof value !== "boolean") throw new TypeError(`-${name} is not defined as a bool`);
    return value;
  }

  int(name: NameOf<"int">): number {
    const value = this.#values.get(name);
    if (typeof value !== "number") throw new TypeError(`-${name} is not defined as an int`);
    return value;
  }

  list(name: NameOf<"list">): readonly string[] {
    const value = this.#values.get(name);
    if (typeof value !== "object") throw new TypeError(`-${name} is not defined as a list`);
    return value;
  }
}

/** Flags that the lifecycle does not have, at every Platform API (README.md). */
export function tuningFlags(machine: Machine) {
  return [
    {
      name: "compression",
      type: "string",
      env: "CNB_EXPORT_COMPRESSION",
      fallback: "gzip",
      usage: "compression of new layers, gzip or zstd",
    },
    {
      name: "compression-level",
      type: "int",
      env: "CNB_EXPORT_COMPRESSION_LEVEL",
      fallback: 1,
      usage: "level of the compression, 1 (fastest) to 9 (smallest)",
    },
    {
      name: "events",
      type: "string",
      env: "CNB_EXPORT_EVENTS",
      usage: "path or number of an open file to which one JSON object a line is appended as things happen",
    },
    {
      name: "log-format",
      type: "string",
      env: "CNB_EXPORT_LOG_FORMAT",
      fallback: "text",
      usage: "format of log lines, text or json",
    },
    {
      name: "progress",
      type: "string",
      env: "CNB_EXPORT_PROGRESS",
      fallback: "auto",
      usage:
        "how progress is shown, as bars on a terminal (tty), as lines (plain), not at all (none), or what fits (auto)",
    },
    {
      name: "retry-budget",
      type: "string",
      env: "CNB_EXPORT_RETRY_BUDGET",
      fallback: "5m",
      usage: "how long a request to a registry is tried again while it fails; 0 for one try",
    },
    {
      name: "spool-dir",
      type: "string",
      env: "CNB_EXPORT_SPOOL_DIR",
      fallback: machine.tempDir,
      usage: "path to directory where compressed layers wait for their upload",
    },
    {
      name: "timeline",
      type: "string",
      env: "CNB_EXPORT_TIMELINE",
      usage: "path to write what was done when, as a page (.html) or for Perfetto (.json)",
    },
    {
      name: "upload-concurrency",
      type: "int",
      env: "CNB_EXPORT_UPLOAD_CONCURRENCY",
      fallback: 8,
      usage: "number of uploads to one registry at a time",
    },
    {
      name: "workers",
      type: "int",
      env: "CNB_EXPORT_WORKERS",
      fallback: defaultWorkers(machine),
      usage: "number of threads that read and compress layers",
    },
  ] as const satisfies readonly FlagRow[];
}

/** One flag: where its value comes from before the command line is parsed, and when it exists. */
export interface FlagRow {
  readonly name: string;
  readonly type: FlagInitial["type"];
  /** The only command that has the flag; absent: all have it. */
  readonly command?: Command;
  /**
   * Environment variable. It applies at every Platform API, even where the flag does not exist
   * (docs/compatibility.md#environment-variables).
   */
  readonly env?: string;
  /** A second environment variable that sets a bool. */
  readonly alsoEnv?: string;
  /** Value without flag and environment; absent is "", 0, false or an empty list. */
  readonly fallback?: string | number;
  /** The flag exists only where this gate holds. */
  readonly since?: PlatformGate;
  /** The flag exists only where this gate does not hold. */
  readonly until?: PlatformGate;
  readonly usage: string;
}

/** What the program does, by the name it was started by. */
export type Command = "exporter" | "creator";

/**
 * Stands for the layers directory in a default until the flags are parsed (step 1 of
 * docs/compatibility.md#input-resolution).
 */
export const LAYERS_PLACEHOLDER = "<layers>";

/** Default path of order.toml; without that file the builder image's is used (docs/compatibility.md#creator). */
export const DEFAULT_ORDER = `${LAYERS_PLACEHOLDER}/order.toml`;

/** The reference's flags with its usage texts (docs/compatibility.md#flags, docs/compatibility.md#creator). */
export const REFERENCE_FLAGS = [
  {
    name: "analyzed",
    type: "string",
    command: "exporter",
    env: "CNB_ANALYZED_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/analyzed.toml`,
    usage: "path to analyzed.toml",
  },
  { name: "app", type: "string", env: "CNB_APP_DIR", fallback: "/workspace", usage: "path to app directory" },
  { name: "cache-dir", type: "string", env: "CNB_CACHE_DIR", usage: "path to cache directory" },
  { name: "cache-image", type: "string", env: "CNB_CACHE_IMAGE", usage: "cache image tag name" },
  { name: "daemon", type: "bool", env: "CNB_USE_DAEMON", usage: "export to docker daemon" },
  {
    name: "extended",
    type: "string",
    command: "exporter",
    env: "CNB_EXTENDED_DIR",
    fallback: `${LAYERS_PLACEHOLDER}/extended`,
    since: "hasExtensions",
    usage: "path to output directory for image layers created from applying generated Dockerfiles",
  },
  { name: "gid", type: "int", env: "CNB_GROUP_ID", usage: "GID of user's group in the stack's build and run images" },
  {
    name: "group",
    type: "string",
    command: "exporter",
    env: "CNB_GROUP_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/group.toml`,
    usage: "path to group.toml",
  },
  { name: "image", type: "string", command: "exporter", usage: "[deprecated] reference to run image" },
  {
    name: "insecure-registry",
    type: "list",
    env: "CNB_INSECURE_REGISTRIES",
    since: "hasInsecureRegistryFlag",
    usage: "insecure registries",
  },
  { name: "launch-cache", type: "string", env: "CNB_LAUNCH_CACHE_DIR", usage: "path to launch cache directory" },
  { name: "launcher", type: "string", fallback: "/cnb/lifecycle/launcher", usage: "path to launcher binary" },
  {
    name: "launcher-sbom",
    type: "string",
    fallback: "/cnb/lifecycle",
    since: "hasLauncherSbomFlag",
    usage: "path to launcher SBOM directory",
  },
  { name: "layers", type: "string", env: "CNB_LAYERS_DIR", fallback: "/layers", usage: "path to layers directory" },
  {
    name: "layout",
    type: "bool",
    env: "CNB_USE_LAYOUT",
    since: "hasLayoutFlags",
    usage: "export to OCI layout format on disk",
  },
  {
    name: "layout-dir",
    type: "string",
    env: "CNB_LAYOUT_DIR",
    since: "hasLayoutFlags",
    usage: "path to output directory for images in OCI layout format",
  },
  { name: "log-level", type: "string", env: "CNB_LOG_LEVEL", fallback: "info", usage: "logging level" },
  { name: "no-color", type: "bool", env: "CNB_NO_COLOR", usage: "disable color output" },
  {
    name: "parallel",
    type: "bool",
    env: "CNB_PARALLEL_EXPORT",
    usage: "export app image and cache image in parallel",
  },
  { name: "process-type", type: "string", env: "CNB_PROCESS_TYPE", usage: "default process type" },
  {
    name: "project-metadata",
    type: "string",
    env: "CNB_PROJECT_METADATA_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/project-metadata.toml`,
    usage: "path to project-metadata.toml",
  },
  {
    name: "report",
    type: "string",
    env: "CNB_REPORT_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/report.toml`,
    usage: "path to report.toml",
  },
  {
    name: "run",
    type: "string",
    env: "CNB_RUN_PATH",
    fallback: "/cnb/run.toml",
    since: "readsRunToml",
    usage: "path to run.toml",
  },
  { name: "run-image", type: "string", env: "CNB_RUN_IMAGE", usage: "reference to run image" },
  {
    name: "stack",
    type: "string",
    command: "exporter",
    env: "CNB_STACK_PATH",
    fallback: "/cnb/stack.toml",
    until: "readsRunToml",
    usage: "path to stack.toml",
  },
  { name: "uid", type: "int", env: "CNB_USER_ID", usage: "UID of user in the stack's build and run images" },
  { name: "version", type: "bool", usage: "show version" },
  {
    name: "build-config",
    type: "string",
    command: "creator",
    env: "CNB_BUILD_CONFIG_DIR",
    fallback: "/cnb/build-config",
    since: "hasBuildConfigFlag",
    usage: "path to build config directory",
  },
  {
    name: "buildpacks",
    type: "string",
    command: "creator",
    env: "CNB_BUILDPACKS_DIR",
    fallback: "/cnb/buildpacks",
    usage: "path to buildpacks directory",
  },
  {
    name: "order",
    type: "string",
    command: "creator",
    env: "CNB_ORDER_PATH",
    fallback: DEFAULT_ORDER,
    usage: "path to order.toml",
  },
  {
    name: "platform",
    type: "string",
    command: "creator",
    env: "CNB_PLATFORM_DIR",
    fallback: "/platform",
    usage: "path to platform directory",
  },
  {
    name: "previous-image",
    type: "string",
    command: "creator",
    env: "CNB_PREVIOUS_IMAGE",
    usage: "reference to previous image",
  },
  {
    name: "skip-restore",
    type: "bool",
    command: "creator",
    env: "CNB_SKIP_RESTORE",
    alsoEnv: "CNB_SKIP_LAYERS",
    usage: "do not restore layers or layer metadata",
  },
  {
    name: "stack",
    type: "string",
    command: "creator",
    env: "CNB_STACK_PATH",
    fallback: "/cnb/stack.toml",
    usage: "path to stack.toml",
  },
  {
    name: "system",
    type: "string",
    command: "creator",
    env: "CNB_SYSTEM_PATH",
    fallback: "/cnb/system.toml",
    since: "hasSystemFlag",
    usage: "path to system.toml",
  },
  {
    name: "tag",
    type: "list",
    command: "creator",
    usage: "additional tags",
  },
] as const satisfies readonly FlagRow[];
