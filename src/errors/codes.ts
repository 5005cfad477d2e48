export interface CodeEntry {
  readonly meaning: string;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;
}

function entry(meaning: string, hint?: string, exitCode?: number): CodeEntry {
  return { meaning, hint, exitCode };
}

/** The middle words of the codes, in the order of docs/troubleshooting.md. */
export const STAGES = {
  REGISTRY: "Registries",
  AUTH: "Logging in",
  ARGS: "Arguments",
  API: "API versions",
  INPUT: "Names and documents",
  PLAN: "Layers of the build",
  LAYER: "Files of the build",
  IMAGE: "Images",
  CACHE: "Cache directories",
  DAEMON: "The Docker daemon",
  LAYOUT: "OCI layouts",
  REPORT: "Reports",
  PRIVILEGES: "Users",
  PHASE: "Phases of the creator",
  LIMIT: "Limits",
  SYSTEM: "The operating system",
  CANCELLED: "Stopped",
  INTERNAL: "Defects",
} as const;

export type FaultStage = keyof typeof STAGES;

const QUIET_FILES = "Make sure that nothing writes to the layers and app directories during the export.";
const REPEAT_ANALYZER = "Run the analyzer again, or name another image.";
const REBUILD_IMAGE = "Build or push that image again, or use another one.";
const REPAIR_LAYOUT = "Write that layout again, e.g. with skopeo copy.";
const RAISE_LIMIT = "Raise the limit of the process or of its container.";

export const CODES = {
  EXPORT_REGISTRY_DENIED: entry(
    "The credentials, or anonymous users, may not read from or push to a registry.",
    "Give credentials for that repository in CNB_REGISTRY_AUTH or docker's config.json.",
  ),
  EXPORT_REGISTRY_NOT_FOUND: entry(
    "A registry has no such image, blob or repository.",
    "Check the name; create the repository first if the registry does not do so on push.",
  ),
  EXPORT_REGISTRY_UNREACHABLE: entry(
    "A registry cannot be reached, or does not answer.",
    "Check host, port, proxies (HTTPS_PROXY, NO_PROXY) and certificates (SSL_CERT_FILE); list registries that speak plain HTTP in -insecure-registry.",
  ),
  EXPORT_REGISTRY_STALLED: entry(
    "A connection to a registry stopped taking data.",
    "Check the network and the registry's health; -retry-budget says how long to retry.",
  ),
  EXPORT_REGISTRY_REFUSED: entry(
    "A registry answered with an unexpected status.",
    "Read the registry's response in the message; its log may say more.",
  ),
  EXPORT_REGISTRY_IMMUTABLE: entry(
    "A tag already exists, and the registry does not allow overwriting it.",
    "The tag is immutable: use another tag, or allow overwriting in the registry's settings.",
  ),
  EXPORT_REGISTRY_PROTOCOL: entry(
    "A registry's response lacks a part that the distribution specification requires.",
    "Check that the address is a registry's, and that no proxy removes headers.",
  ),
  EXPORT_REGISTRY_TOO_LARGE: entry(
    "A manifest, config or token response is longer than any real one.",
    "Check that the address is a registry's.",
  ),
  EXPORT_REGISTRY_DIGEST: entry(
    "A manifest, config or blob does not match its digest.",
    "Look for a proxy that alters the data, or for a damaged disk of the registry; push that image again.",
  ),
  EXPORT_REGISTRY_BLOB: entry(
    "A registry delivered a blob whose size differs from its manifest.",
    "Push the image that the blob belongs to again.",
  ),
  EXPORT_REGISTRY_GONE: entry(
    "An image lists a blob that the registry no longer has, and there are no files to rebuild its layer from.",
    "Restore the blob, or build again without the previous image to rebuild the layer.",
  ),
  EXPORT_REGISTRY_NO_PLATFORM: entry(
    "An image's index has no entry for the platform of this machine.",
    "Use a run image that is built for the architecture of the build.",
  ),
  EXPORT_REGISTRY_REDIRECT: entry(
    "A registry redirects to an address that must not be used: another scheme, or a private network.",
    "Check the registry's configuration of its external address and of its storage.",
  ),
  EXPORT_REGISTRY_PROXY: entry(
    "HTTP_PROXY or HTTPS_PROXY cannot be used.",
    "Set the proxy as http://, https:// or socks5:// with a host and a port.",
  ),
  EXPORT_AUTH_ENVIRONMENT: entry(
    "CNB_REGISTRY_AUTH cannot be read.",
    'Write CNB_REGISTRY_AUTH as a JSON object of registries to values, e.g. {"registry.example": "Basic dXNlcjpwYXNz"}; values start with Basic, Bearer or X-Identity.',
  ),
  EXPORT_AUTH_CONFIG: entry(
    "A docker or podman configuration file cannot be read.",
    "Correct the file, or run docker login again.",
  ),
  EXPORT_AUTH_HELPER: entry(
    "A docker credential helper failed.",
    "Run the helper by hand, and check that it is in PATH, or take it out of config.json.",
  ),
  EXPORT_AUTH_CLOUD: entry(
    "A cloud did not return credentials for its registry.",
    "Check the identity of the machine or workload, and its role in the registry.",
  ),
  EXPORT_AUTH_TOKEN: entry(
    "A registry's token server answered without a token.",
    "Check the address of the registry and the credentials for it.",
  ),
  EXPORT_AUTH_REALM: entry(
    "A registry names a token server that must not be used, or none.",
    "Check the registry's configuration of its token server (realm).",
  ),
  EXPORT_ARGS_INVALID: entry(
    "An argument, flag or variable has a value that is not allowed; the message says what is.",
    undefined,
    3,
  ),
  EXPORT_ARGS_RUN_IMAGE: entry(
    "No run image is known.",
    "Check that the analyzer has run and found the run image: see -run-image (CNB_RUN_IMAGE), run.toml and stack.toml.",
  ),
  EXPORT_ARGS_EXPERIMENTAL: entry(
    "An experimental feature is not enabled.",
    "Set CNB_EXPERIMENTAL_MODE to warn or quiet.",
    1,
  ),
  EXPORT_ARGS_EXTENSIONS: entry(
    "The creator does not run image extensions.",
    "Run the phases one by one, with the extender, or use an order without extensions.",
    22,
  ),
  EXPORT_ARGS_LIFECYCLE: entry(
    "The creator does not find the program of a phase.",
    "Put the creator beside the programs of a lifecycle, or set CNB_LIFECYCLE_DIR.",
  ),
  EXPORT_ARGS_CWD: entry("The working directory was deleted.", "Give absolute paths, or start in another directory."),
  EXPORT_API_PLATFORM: entry(
    "CNB_PLATFORM_API is missing, malformed or not supported.",
    "Set CNB_PLATFORM_API to one of 0.7 to 0.15.",
    11,
  ),
  EXPORT_API_BUILDPACK: entry(
    "A buildpack in group.toml has a Buildpack API that is malformed or not supported.",
    "Use buildpacks with a Buildpack API from 0.7 to 0.12.",
    12,
  ),
  EXPORT_INPUT_REFERENCE: entry(
    "An image name cannot be parsed.",
    "Write image names as [registry/]repository[:tag], e.g. registry.example.com/team/app:1.0.",
  ),
  EXPORT_INPUT_READ: entry(
    "A file or directory of the build's output cannot be read.",
    "Check that the path exists and that the user of the build may read it.",
  ),
  EXPORT_INPUT_TOML: entry(
    "A file is not valid TOML, or a value in it has the wrong type.",
    "Correct the file; if a buildpack or the platform wrote it, report it there.",
  ),
  EXPORT_INPUT_SBOM: entry(
    "An SBOM cannot be copied to the layers directory.",
    "Check that the SBOMs can be read, and that the user of the build may write to <layers>/sbom.",
  ),
  EXPORT_INPUT_TRACING: entry(
    "A buildpack has its layers in <layers>/tracing, where telemetry is written.",
    "Rename the buildpack, or unset -telemetry (CNB_EXPORT_TELEMETRY).",
    1,
  ),
  EXPORT_PLAN_MALFORMED: entry(
    "A layer's TOML file is invalid, or has its flags outside of the table types.",
    "Correct or report the buildpack that wrote the file.",
  ),
  EXPORT_PLAN_PROCESS_TYPE: entry(
    "A buildpack provides a process type without a name, or with one of the characters /><:|&\\ in it.",
    "Correct or report the buildpack that provides it (launch.toml).",
  ),
  EXPORT_PLAN_REUSE: entry(
    "A buildpack reuses a layer that the previous image does not have, or has as zstd although the run image has Docker media types.",
    "Build without the previous image's metadata (-skip-restore, or a new image name), or report the buildpack.",
  ),
  EXPORT_PLAN_CONTENTS: entry(
    "A buildpack marks a layer as cached but provides no files for it.",
    "Report the buildpack; a cleared cache may help until it is corrected.",
  ),
  EXPORT_LAYER_CHANGED: entry("A file changed while it was exported. Nothing was published.", QUIET_FILES),
  EXPORT_LAYER_READ: entry(
    "A file or directory of a layer or of the app cannot be read.",
    "Check that it exists, and that the user of the build (-uid, -gid) may read it.",
  ),
  EXPORT_LAYER_CONTENTS: entry(
    "The contents of a file cannot be read, or are not as long as its file system reports.",
    "Check the file's mode and owner, or remove it from the build's output.",
  ),
  EXPORT_LAYER_LAUNCHER: entry(
    "The launcher cannot be read.",
    "Give the path of the launcher binary with -launcher, or use a builder that has /cnb/lifecycle/launcher.",
  ),
  EXPORT_LAYER_PATTERN: entry(
    "A slice has an invalid pattern.",
    "Correct the pattern in the slices of the buildpack's launch.toml.",
  ),
  EXPORT_LAYER_HEADER: entry(
    "A tar cannot describe a file: its name is too long, or its device number too large.",
    "Remove the file from the build's output.",
  ),
  EXPORT_LAYER_BLOB: entry(
    "A layer from an image extension is damaged.",
    "Run the extender again; its output was modified or truncated.",
  ),
  EXPORT_LAYER_EXPANSION: entry(
    "A layer from an image extension expands to implausibly many bytes.",
    "Keep large empty files out of the image.",
  ),
  EXPORT_LAYER_TAR: entry(
    "The tar of a layer cannot be written to a cache directory.",
    "Make room in the cache directory, and check that the user of the build may write to it.",
  ),
  EXPORT_LAYER_SPOOL: entry(
    "Compressed layers cannot be written to the spool directory, or read back.",
    "Name a writable directory with enough room in -spool-dir or TMPDIR.",
  ),
  EXPORT_LAYER_THREAD: entry(
    "A worker thread died, usually for lack of memory.",
    "Give the export more memory, or use fewer threads with -workers.",
  ),
  EXPORT_IMAGE_NO_LAYERS: entry(
    "The run image has no layers, so nothing can be built on it.",
    "Use a run image with layers; if it is a new one, check that its push was complete.",
  ),
  EXPORT_IMAGE_MANIFEST: entry("The manifest, a digest or the layers of an image are invalid.", REBUILD_IMAGE),
  EXPORT_IMAGE_CONFIG: entry("The config of an image is invalid.", REBUILD_IMAGE),
  EXPORT_IMAGE_PROCESS_TYPE: entry(
    "No buildpack provides the process type of -process-type.",
    "Give one of the types that the buildpacks provide with -process-type (CNB_PROCESS_TYPE), or none.",
  ),
  EXPORT_IMAGE_COMMAND: entry(
    "A process has no command.",
    "Give every process in config/metadata.toml a command: Platform APIs before 0.10 require one.",
  ),
  EXPORT_IMAGE_ZSTD: entry(
    "-compression zstd needs a run image with OCI media types.",
    "Leave out -compression zstd, or use a run image with OCI media types.",
  ),
  EXPORT_IMAGE_JSON: entry(
    "A value in the metadata of a buildpack or the project cannot be written as JSON: nan or inf.",
    "Correct or report the buildpack whose metadata (layer, store, bill of materials) has the value.",
  ),
  EXPORT_IMAGE_TIME: entry(
    "A time is outside of the years 0 to 9999.",
    "Set SOURCE_DATE_EPOCH to seconds since 1970 within the years 0 to 9999.",
  ),
  EXPORT_CACHE_DIRECTORY: entry(
    "A cache directory is missing, or cannot be read or written.",
    "Check that the directory exists, and that the user of the build may read and write all that is in it (-cache-dir, -launch-cache; for a cache in a registry, -cache-image).",
  ),
  EXPORT_CACHE_IN_USE: entry(
    "Another export, or this one's other cache, uses the cache directory.",
    "Give each export a cache directory of its own, or run them one after the other.",
  ),
  EXPORT_DAEMON_UNREACHABLE: entry(
    "Nothing listens at DOCKER_HOST or /var/run/docker.sock.",
    "Start the daemon, mount its socket, or set DOCKER_HOST; leave out -daemon to export to a registry.",
  ),
  EXPORT_DAEMON_DENIED: entry(
    "The exporter's user may not open the daemon's socket.",
    "A socket of root is opened before the exporter becomes the user of -uid: start as root or as a member of its group. Any other is opened afterwards: give the -uid or -gid of a user or group that may open it.",
  ),
  EXPORT_DAEMON_BROKEN: entry("The connection to the daemon broke.", "Check that the daemon still runs, and its log."),
  EXPORT_DAEMON_REFUSED: entry(
    "The daemon refused a request.",
    "Read the daemon's response in the message; its log may say more.",
  ),
  EXPORT_DAEMON_NOT_FOUND: entry("The daemon does not have an image.", "Pull or build the image again."),
  EXPORT_DAEMON_RUN_IMAGE: entry("The run image is not in the daemon.", "Pull it into the daemon first."),
  EXPORT_DAEMON_ANSWER: entry(
    "The daemon's response does not match the Docker API.",
    "Check that a Docker API listens at DOCKER_HOST.",
  ),
  EXPORT_DAEMON_LOAD: entry(
    "The daemon could not load the image.",
    "Read the daemon's response in the message; its log may say more.",
  ),
  EXPORT_DAEMON_FULL: entry(
    "The daemon has no room for the image: its disk is full, or the image has too many layers.",
    "Free space on the daemon's disk, for example with docker system prune.",
  ),
  EXPORT_DAEMON_SAVE: entry(
    "The daemon did not return the layers of an image that it has.",
    "Pull or build that image again; check the daemon's disk.",
  ),
  EXPORT_DAEMON_TAG: entry(
    "A name with a digest cannot be a tag in the daemon.",
    "Name the image with a tag: repository:tag instead of repository@sha256:...",
  ),
  EXPORT_DAEMON_TLS: entry(
    "The certificates of DOCKER_CERT_PATH cannot be used, or do not match the daemon's.",
    "Set DOCKER_CERT_PATH to a directory with the ca.pem, cert.pem and key.pem for this daemon.",
  ),
  EXPORT_DAEMON_HOST: entry(
    "DOCKER_HOST or DOCKER_API_VERSION cannot be parsed.",
    "Set DOCKER_HOST to unix://<path>, tcp://<host>:<port>, http://... or https://..., and DOCKER_API_VERSION to a version such as 1.44, or unset it.",
  ),
  EXPORT_LAYOUT_CREATE: entry(
    "The directory of an OCI layout cannot be created.",
    "Give a writable directory with -layout-dir.",
  ),
  EXPORT_LAYOUT_WRITE: entry(
    "A file of an OCI layout cannot be written.",
    "Make room in the directory of -layout-dir, check that the user of the build may write to it, and remove a directory that is in the place of one of its files.",
  ),
  EXPORT_LAYOUT_READ: entry("A file of an OCI layout cannot be read.", REPAIR_LAYOUT),
  EXPORT_LAYOUT_SIZE: entry("The size of a blob of an OCI layout differs from its manifest.", REPAIR_LAYOUT),
  EXPORT_LAYOUT_DIGEST: entry("A file of an OCI layout does not match its digest.", REPAIR_LAYOUT),
  EXPORT_LAYOUT_MISSING: entry("There is no OCI layout at a path.", REPEAT_ANALYZER),
  EXPORT_LAYOUT_INDEX: entry(
    "An OCI layout does not hold exactly one image for this platform.",
    "Give a layout that holds exactly one image, e.g. made by skopeo copy.",
  ),
  EXPORT_LAYOUT_IDENTIFIER: entry(
    "The identifier of an OCI layout is not written as <path>@<digest>.",
    "Correct analyzed.toml, or run the analyzer with -layout.",
  ),
  EXPORT_REPORT_WRITE: entry("The report (report.toml) cannot be written.", "Give a writable path with -report."),
  EXPORT_REPORT_EVENTS: entry("The event file cannot be opened.", "Give a writable file with -events."),
  EXPORT_REPORT_TIMELINE: entry("The timeline cannot be written.", "Give a writable file with -timeline."),
  EXPORT_REPORT_TELEMETRY: entry(
    "The file of telemetry cannot be written.",
    "Make <layers>/tracing writable for the user of the build, outside of the app directory.",
  ),
  EXPORT_PRIVILEGES: entry(
    "The process cannot become the user of the build, or cannot give that user its directories.",
    "Start as root with the capabilities SETUID, SETGID and CHOWN, or pass the ids of this process with -uid and -gid (CNB_USER_ID, CNB_GROUP_ID).",
  ),
  EXPORT_PRIVILEGES_ROOT: entry(
    "Builds may not run as root.",
    "Set -uid and -gid (CNB_USER_ID, CNB_GROUP_ID) to a user other than root.",
  ),
  EXPORT_PHASE_START: entry(
    "A phase of the creator cannot be started.",
    "Check that the user of the build (-uid, -gid) may execute the program, and that it is built for this machine.",
    1,
  ),
  EXPORT_PHASE_FAILED: entry(
    "A phase of the creator ended with an exit code other than 0; only telemetry has this code.",
    "See what the phase logged.",
  ),
  EXPORT_PHASE_KILLED: entry("A signal ended a phase of the creator.", "Look for what stopped it."),
  EXPORT_LIMIT_OPEN_FILES: entry("The process may open too few files.", RAISE_LIMIT, 62),
  EXPORT_LIMIT_ADDRESS_SPACE: entry("The process may have too little address space.", RAISE_LIMIT, 62),
  EXPORT_LIMIT_DATA: entry("The process may have too little data memory.", RAISE_LIMIT, 62),
  EXPORT_LIMIT_THREADS: entry("The process may start too few threads or processes.", RAISE_LIMIT, 62),
  EXPORT_LIMIT_MEMORY: entry(
    "The process ran out of memory.",
    "Give the export more memory, or use fewer threads with -workers.",
    62,
  ),
  EXPORT_SYSTEM: entry(
    "The operating system refused a call; the message has the path and the reason.",
    "Correct what the message names: permissions, free space, a missing file.",
  ),
  EXPORT_CANCELLED: entry("The export was asked to stop, by a signal or by the program that started it."),
  EXPORT_INTERNAL: entry("A defect of this project.", "Report it, with the log of -log-level debug."),
} as const satisfies { readonly [Code in `EXPORT_${FaultStage}` | `EXPORT_${FaultStage}_${string}`]?: CodeEntry };

// TypeDoc would spell `keyof` out.
/**
 * A stable name for one kind of failure: `EXPORT_<stage>_<what>`. docs/troubleshooting.md#all-error-codes lists them.
 */
export type FaultCode = { readonly [Code in keyof typeof CODES]: Code }[keyof typeof CODES];

export function stageOf(code: FaultCode): FaultStage {
  return code.split("_")[1] as FaultStage;
}
