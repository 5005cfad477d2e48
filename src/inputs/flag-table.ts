import type { PlatformGate } from "../cnb/platform-api.ts";
import type { FlagInitial } from "./go-flags.ts";

/** One flag of the exporter: where its value comes from before the command line is parsed, and when it exists. */
export interface FlagRow {
  readonly name: string;
  readonly type: FlagInitial["type"];
  /** Environment variable. It counts at every Platform API, even where the flag does not exist (contract 1.5). */
  readonly env?: string;
  /** Value without flag and environment; absent is "", 0, false or an empty list. */
  readonly fallback?: string | number;
  /** The flag exists only where this gate holds. */
  readonly since?: PlatformGate;
  /** The flag exists only where this gate does not hold. */
  readonly until?: PlatformGate;
  readonly usage: string;
}

/** Stands for the layers directory in a default, until the flags are parsed (contract 1.7, step 1). */
export const LAYERS_PLACEHOLDER = "<layers>";

/** The reference's flags with its usage texts (contract 1.6). */
export const REFERENCE_FLAGS = [
  {
    name: "analyzed",
    type: "string",
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
    env: "CNB_EXTENDED_DIR",
    fallback: `${LAYERS_PLACEHOLDER}/extended`,
    since: "hasExtensions",
    usage: "path to output directory for image layers created from applying generated Dockerfiles",
  },
  { name: "gid", type: "int", env: "CNB_GROUP_ID", usage: "GID of user's group in the stack's build and run images" },
  {
    name: "group",
    type: "string",
    env: "CNB_GROUP_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/group.toml`,
    usage: "path to group.toml",
  },
  { name: "image", type: "string", usage: "[deprecated] reference to run image" },
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
    env: "CNB_STACK_PATH",
    fallback: "/cnb/stack.toml",
    until: "readsRunToml",
    usage: "path to stack.toml",
  },
  { name: "uid", type: "int", env: "CNB_USER_ID", usage: "UID of user in the stack's build and run images" },
  { name: "version", type: "bool", usage: "show version" },
] as const satisfies readonly FlagRow[];
