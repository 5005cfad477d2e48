import type { PlatformGate } from "../cnb/api.ts";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault } from "../errors/fault.ts";
import { hintLine } from "../errors/printable.ts";
import { parseGoDuration } from "../go/duration.ts";
import type { FlagTypes } from "../go/flag.ts";
import { parseEventTarget } from "../observe/event-writer.ts";
import { absolutePath } from "../process/environment.ts";
import { defaultWorkers, MAX_WORKERS, type Machine } from "../process/machine.ts";

export type Command = "exporter" | "creator";

export type Part = "export" | "tuning" | "build";

/**
 * One flag, except its name, which is the kebab case of its key in {@link FLAGS}.
 *
 * - `usage`: the text in `-h`, for the lifecycle's flags in its words
 * - `group`: the section of `-h`; absent for flags of the lifecycle that few builds set
 * - `env`: applies at every Platform API (docs/compatibility.md#environment-variables)
 * - `fallback`: absent for "", 0, false or an empty list; `fallbackText` describes a computed one in README.md
 * - `check`: absent if every value is valid and becomes the setting unchanged
 * - `export`, `tuning`, `build`: the setting's name; absent if code reads the value from {@link FlagValues}
 * - `library`: there is an option of that name, documented by the comment above the entry
 * - `command`: absent if both have the flag; `rejectedBy` defines it only to reject it
 */
interface Row<Type extends keyof FlagTypes> extends Readonly<Partial<Record<Part, string>>> {
  readonly type: Type;
  readonly usage: string;
  readonly group?: "common" | "additional";
  readonly env?: string;
  readonly alsoEnv?: string;
  readonly fallback?: string | number | ((machine: Machine) => string | number);
  readonly fallbackText?: string;
  readonly check?: Check<FlagTypes[Type], unknown>;
  readonly library?: true;
  readonly command?: Command;
  readonly rejectedBy?: Command;
  readonly since?: PlatformGate;
  readonly until?: { readonly command: Command; readonly gate: PlatformGate };
}

type FlagRow = { [Type in keyof FlagTypes]: Row<Type> }[keyof FlagTypes];

/** `expected` completes "must be". `parse` resolves paths against `cwd`, and returns undefined for an invalid value. */
interface Check<Value, Setting> {
  readonly expected: string;
  readonly parse: (value: Value, cwd: string) => Setting | undefined;
}

export const LAYERS_PLACEHOLDER = "<layers>";

export const DEFAULT_ORDER = `${LAYERS_PLACEHOLDER}/order.toml`;

/** An upload may use two connections, so a larger number would only exhaust ports and open files. */
const MAX_UPLOADS = 256;

/**
 * All flags (docs/compatibility.md#flags, docs/compatibility.md#creator). Everything else is derived from this table:
 * values from the command line and the environment, settings and their types, the library's options with their
 * documentation, and `-h`. So a new flag is one entry, and a row in README.md, which test/unit/docs/flags.test.ts
 * requires.
 */
// biome-ignore format: a table reads better with the properties of a flag on one or two lines
const FLAGS = {
  /** Path of analyzed.toml. Default `<layers>/analyzed.toml`. */
  analyzed: { type: "string", usage: "path to analyzed.toml", env: "CNB_ANALYZED_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/analyzed.toml`, export: "analyzedPath", library: true, command: "exporter" },
  /** Directory of the app. Default `/workspace`. */
  app: { type: "string", usage: "path to app directory", group: "common", env: "CNB_APP_DIR", fallback: "/workspace",
    export: "appDir", library: true },
  buildConfig: { type: "string", usage: "path to build config directory", env: "CNB_BUILD_CONFIG_DIR",
    fallback: "/cnb/build-config", build: "buildConfigDir", command: "creator", since: "hasBuildConfigFlag" },
  buildpacks: { type: "string", usage: "path to buildpacks directory", group: "common", env: "CNB_BUILDPACKS_DIR",
    fallback: "/cnb/buildpacks", build: "buildpacksDir", command: "creator" },
  /** Directory of the cache. */
  cacheDir: { type: "string", usage: "path to cache directory", group: "common", env: "CNB_CACHE_DIR",
    export: "cacheDir", library: true },
  /** Reference of the cache image. */
  cacheImage: { type: "string", usage: "cache image tag name", group: "common", env: "CNB_CACHE_IMAGE",
    export: "cacheImage", library: true },
  /** Compression of new layers. Default `gzip`; `zstd` needs a run image with an OCI manifest. */
  compression: { type: "string", usage: "compression of new layers, gzip or zstd", group: "additional",
    env: "CNB_EXPORT_COMPRESSION", fallback: "gzip", check: oneOf("gzip", "zstd"), tuning: "compression",
    library: true },
  /** 1 (fastest, the default) to 9 (smallest). */
  compressionLevel: { type: "int", usage: "compression level, 1 (fastest) to 9 (smallest)", group: "additional",
    env: "CNB_EXPORT_COMPRESSION_LEVEL", fallback: 1, check: within(1, 9), tuning: "compressionLevel", library: true },
  /** Export the app image into the Docker daemon that `DOCKER_HOST` names. */
  daemon: { type: "bool", usage: "export to docker daemon", group: "common", env: "CNB_USE_DAEMON",
    export: "daemon", library: true },
  early: { type: "string",
    usage: "what to do with layers of finished buildpacks while the build runs: upload, compress or none",
    group: "additional", env: "CNB_EXPORT_EARLY", fallback: "upload", check: oneOf("upload", "compress", "none"),
    build: "early", command: "creator" },
  events: { type: "string", usage: "path or open file descriptor (fd:N) to append events to, one JSON object per line",
    group: "additional", env: "CNB_EXPORT_EVENTS", check: { expected: "a path or fd:N", parse: parseEventTarget },
    tuning: "events" },
  /** Directory of the layers that image extensions made. Default `<layers>/extended`. */
  extended: { type: "string",
    usage: "path to output directory for image layers created from applying generated Dockerfiles",
    env: "CNB_EXTENDED_DIR", fallback: `${LAYERS_PLACEHOLDER}/extended`, export: "extendedDir", library: true,
    command: "exporter", since: "hasExtensions" },
  /** GID of files in layers. */
  gid: { type: "int", usage: "GID of user's group in the stack's build and run images", env: "CNB_GROUP_ID",
    export: "gid", library: true },
  /** Path of group.toml. Default `<layers>/group.toml`. */
  group: { type: "string", usage: "path to group.toml", env: "CNB_GROUP_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/group.toml`, export: "groupPath", library: true, command: "exporter" },
  image: { type: "string", usage: "[deprecated] reference to run image", command: "exporter", rejectedBy: "exporter" },
  /** Registry hosts to reach over plain HTTP or without verifying certificates. */
  insecureRegistry: { type: "list", usage: "insecure registries", env: "CNB_INSECURE_REGISTRIES",
    export: "insecureRegistries", library: true, since: "hasInsecureRegistryFlag" },
  /** Directory that keeps layers for the next export into a daemon. */
  launchCache: { type: "string", usage: "path to launch cache directory", env: "CNB_LAUNCH_CACHE_DIR",
    export: "launchCacheDir", library: true },
  /** Path of the launcher. Default `/cnb/lifecycle/launcher`. */
  launcher: { type: "string", usage: "path to launcher binary", fallback: "/cnb/lifecycle/launcher",
    export: "launcherPath", library: true },
  /** Directory of the launcher's SBOMs. Default `/cnb/lifecycle`. */
  launcherSbom: { type: "string", usage: "path to launcher SBOM directory", fallback: "/cnb/lifecycle",
    export: "launcherSbomDir", library: true, since: "hasLauncherSbomFlag" },
  /** Directory of the buildpacks' layers. Default `/layers`. */
  layers: { type: "string", usage: "path to layers directory", group: "common", env: "CNB_LAYERS_DIR",
    fallback: "/layers", export: "layersDir", library: true },
  /** Export the app image as an OCI image layout below `layoutDir`. */
  layout: { type: "bool", usage: "export to OCI layout format on disk", group: "common", env: "CNB_USE_LAYOUT",
    export: "layout", library: true, since: "hasLayoutFlags" },
  /** Parent directory of all layouts, including the run image's. */
  layoutDir: { type: "string", usage: "path to output directory for images in OCI layout format", group: "common",
    env: "CNB_LAYOUT_DIR", export: "layoutDir", library: true, since: "hasLayoutFlags" },
  logFormat: { type: "string", usage: "format of log lines, text or json", group: "additional",
    env: "CNB_EXPORT_LOG_FORMAT", fallback: "text", check: oneOf("text", "json"), tuning: "logFormat" },
  logLevel: { type: "string", usage: "logging level", group: "common", env: "CNB_LOG_LEVEL", fallback: "info",
    check: { expected: "a log level", parse: parseLogLevel }, export: "logLevel" },
  noColor: { type: "bool", usage: "disable color output", env: "CNB_NO_COLOR", export: "noColor" },
  order: { type: "string", usage: "path to order.toml", env: "CNB_ORDER_PATH", fallback: DEFAULT_ORDER,
    build: "orderPath", command: "creator" },
  /** Export the app image and the cache at the same time (RFC 0125). */
  parallel: { type: "bool", usage: "export app image and cache image in parallel", group: "common",
    env: "CNB_PARALLEL_EXPORT", export: "parallel", library: true },
  platform: { type: "string", usage: "path to platform directory", env: "CNB_PLATFORM_DIR", fallback: "/platform",
    build: "platformDir", command: "creator" },
  previousImage: { type: "string", usage: "reference to previous image", group: "common", env: "CNB_PREVIOUS_IMAGE",
    export: "previousImage", command: "creator" },
  /** Process type that the image starts by default. */
  processType: { type: "string", usage: "default process type", group: "common", env: "CNB_PROCESS_TYPE",
    export: "processType", library: true },
  progress: { type: "string",
    usage: "progress display: bars on a terminal (tty), lines (plain), none, or whichever fits (auto)",
    group: "additional", env: "CNB_EXPORT_PROGRESS", fallback: "auto", check: oneOf("auto", "tty", "plain", "none"),
    tuning: "progress" },
  /** Path of project-metadata.toml. Default `<layers>/project-metadata.toml`. */
  projectMetadata: { type: "string", usage: "path to project-metadata.toml", env: "CNB_PROJECT_METADATA_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/project-metadata.toml`, export: "projectMetadataPath", library: true },
  /** Path to write report.toml to. Default `<layers>/report.toml`. */
  report: { type: "string", usage: "path to report.toml", env: "CNB_REPORT_PATH",
    fallback: `${LAYERS_PLACEHOLDER}/report.toml`, export: "reportPath", library: true },
  /** Whether report.toml has the table `[image.run-image]` (RFC 0129). */
  reportRunImage: { type: "bool", usage: "report the run image in report.toml", group: "additional",
    env: "CNB_EXPORT_REPORT_RUN_IMAGE", fallbackText: "off", tuning: "reportRunImage", library: true },
  /**
   * How long to keep retrying a failing registry request, such as `90s`, `5m` (the default) or `1h30m`; `0` disables
   * retries.
   */
  retryBudget: { type: "string", usage: "how long to keep retrying a failing registry request; 0 disables retries",
    group: "additional", env: "CNB_EXPORT_RETRY_BUDGET", fallback: "5m",
    check: { expected: "a duration such as 90s, 5m or 1h30m", parse: parseGoDuration }, tuning: "retryBudgetMs",
    library: true },
  /** Path of run.toml, from Platform API 0.12 on. Default `/cnb/run.toml`. */
  run: { type: "string", usage: "path to run.toml", env: "CNB_RUN_PATH", fallback: "/cnb/run.toml",
    export: "runPath", library: true, since: "readsRunToml" },
  runImage: { type: "string", usage: "reference to run image", group: "common", env: "CNB_RUN_IMAGE",
    export: "runImage", rejectedBy: "exporter" },
  skipRestore: { type: "bool", usage: "do not restore layers or layer metadata", env: "CNB_SKIP_RESTORE",
    alsoEnv: "CNB_SKIP_LAYERS", build: "skipRestore", command: "creator" },
  /** Directory for compressed layers that wait for their upload. Default: the directory for temporary files. */
  spoolDir: { type: "string", usage: "path to directory for compressed layers that wait for their upload",
    group: "additional", env: "CNB_EXPORT_SPOOL_DIR", fallback: ({ tempDir }) => tempDir,
    fallbackText: "`$TMPDIR`, or `/tmp`",
    check: { expected: "a path", parse: (path: string, cwd) => absolutePath(cwd, path) }, tuning: "spoolDir",
    library: true },
  /** Path of stack.toml, before Platform API 0.12. Default `/cnb/stack.toml`. */
  stack: { type: "string", usage: "path to stack.toml", env: "CNB_STACK_PATH", fallback: "/cnb/stack.toml",
    export: "stackPath", library: true, until: { command: "exporter", gate: "readsRunToml" } },
  system: { type: "string", usage: "path to system.toml", env: "CNB_SYSTEM_PATH", fallback: "/cnb/system.toml",
    build: "systemPath", command: "creator", since: "hasSystemFlag" },
  tag: { type: "list", usage: "additional tags", group: "common", command: "creator" },
  /** Append spans of the export to `<layers>/tracing/lifecycle/export.jsonl`, without names (RFC 0131). */
  telemetry: { type: "bool", usage: "append OpenTelemetry spans to <layers>/tracing/lifecycle, without names",
    group: "additional", env: "CNB_EXPORT_TELEMETRY", fallbackText: "off", tuning: "telemetry", library: true },
  /** With `telemetry`, also write names: references, paths, digests, layers and messages of errors. */
  telemetryNames: { type: "bool", usage: "also write names to -telemetry: images, paths, layers, messages of errors",
    group: "additional", env: "CNB_EXPORT_TELEMETRY_NAMES", fallbackText: "off", tuning: "telemetryNames",
    library: true },
  /** Path to write a timeline of the export to, ending in `.html` or `.json`. */
  timeline: { type: "string",
    usage: "path to write a timeline of the export to, as a page (.html) or for Perfetto (.json)", group: "additional",
    env: "CNB_EXPORT_TIMELINE", check: { expected: "a file whose name ends in .html or .json", parse: parseTimeline },
    tuning: "timeline", library: true },
  /** UID of files in layers. */
  uid: { type: "int", usage: "UID of user in the stack's build and run images", env: "CNB_USER_ID",
    export: "uid", library: true },
  /** Uploads per registry at a time, 1 to 256. Default 8. */
  uploadConcurrency: { type: "int", usage: "number of uploads per registry at a time", group: "additional",
    env: "CNB_EXPORT_UPLOAD_CONCURRENCY", fallback: 8, check: within(1, MAX_UPLOADS),
    tuning: "uploadConcurrency", library: true },
  version: { type: "bool", usage: "show version" },
  /** Threads that read and compress, 1 to 512. Default: the available cores, fewer if memory is short. */
  workers: { type: "int", usage: "number of threads that read and compress layers", group: "additional",
    env: "CNB_EXPORT_WORKERS", fallback: defaultWorkers, fallbackText: "the available cores, fewer if memory is short",
    check: within(1, MAX_WORKERS), tuning: "workers", library: true },
} as const satisfies Readonly<Record<string, FlagRow>>;

type Table = typeof FLAGS;
type Key = keyof Table;
type Value<K extends Key> = FlagTypes[Table[K]["type"]];

export type FlagValues = { readonly [K in Key]: Value<K> };

type Setting<K extends Key> = Table[K] extends { check: { parse: (...args: never) => infer Parsed } }
  ? Exclude<Parsed, undefined>
  : Value<K>;

export type SettingsOf<P extends Part> = {
  readonly [K in Key as Table[K] extends Readonly<Record<P, infer Name extends string>> ? Name : never]: Setting<K>;
};

type LibraryKey = { [K in Key]: Table[K] extends { library: true } ? K : never }[Key];
type Option<K extends Key> = Table[K] extends { check: { words: readonly (infer Word)[] } } ? Word : Value<K>;

/** The library's options that are flags. The keys keep the comments of the table. */
export type FlagOptions = { readonly [K in keyof Pick<Table, LibraryKey>]?: Option<K> | undefined };

export type Flag = FlagRow & { readonly key: Key; readonly name: string };

export const ALL_FLAGS: readonly Flag[] = (Object.keys(FLAGS) as Key[]).map((key) => ({
  ...FLAGS[key],
  key,
  name: nameOf(key),
}));

function nameOf(key: Key): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function settingsOf<P extends Part>(part: P, values: FlagValues, cwd: string): SettingsOf<P> {
  const named = ALL_FLAGS.filter((flag) => flag[part] !== undefined);
  return Object.fromEntries(named.map(({ key, [part]: name }) => [name, settingOf(key, values, cwd)]));
}

/** For the library, whose working directory need not be the process's. */
export function withAbsolutePaths(values: FlagValues, cwd: string): FlagValues {
  const resolved = ALL_FLAGS.map(({ key, export: setting = "" }) => {
    const value = values[key];
    const isRelative = typeof value === "string" && /(?:Dir|Path)$/.test(setting) && /^[^/]/.test(value);
    return [key, isRelative && !value.startsWith(LAYERS_PLACEHOLDER) ? absolutePath(cwd, value) : value];
  });
  return Object.fromEntries(resolved);
}

/** The message omits the value, because an invalid int from the environment has become 0. */
export function settingOf<K extends Key>(key: K, values: FlagValues, cwd: string): Setting<K>;
export function settingOf(key: Key, values: FlagValues, cwd: string): unknown {
  const { env, check }: FlagRow = FLAGS[key];
  if (check === undefined) return values[key];
  // FlagRow pairs each check with its flag's type, which the compiler cannot follow here.
  const setting = check.parse(values[key] as never, cwd);
  if (setting !== undefined) return setting;
  throw new Fault("EXPORT_ARGS_INVALID", `-${nameOf(key)} (${env}) must be ${check.expected}`, {
    exitCode: EXIT_CODES.invalidArgs,
  });
}

const LEVELS = { debug: "debug", info: "info", warn: "warn", warning: "warn", error: "error", fatal: "fatal" } as const;

function parseLogLevel(text: string): (typeof LEVELS)[keyof typeof LEVELS] {
  const word = text.toLowerCase();
  for (const [name, level] of Object.entries(LEVELS)) if (name === word) return level;
  throw new Fault("EXPORT_ARGS_INVALID", "failed to parse log level: invalid level", {
    exitCode: EXIT_CODES.failed,
    hint: hintLine`Set -log-level (CNB_LOG_LEVEL), which is '${text}', to one of ${Object.keys(LEVELS).join(", ")}.`,
  });
}

function parseTimeline(path: string, cwd: string): string | undefined {
  if (path === "") return "";
  return /\.(html|json)$/.test(path) ? absolutePath(cwd, path) : undefined;
}

function within(min: number, max: number): Check<number, number> {
  const isAllowed = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse: (value) => (isAllowed(value) ? value : undefined),
  };
}

function oneOf<const Word extends string>(
  ...words: readonly Word[]
): Check<string, Word> & { readonly words: readonly Word[] } {
  return {
    expected: `one of ${words.join(", ")}`,
    parse: (text) => words.find((word) => word === text),
    words,
  };
}
