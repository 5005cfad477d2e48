/**
 * Who may import whom. A folder of src/, a file directly in it, workers/, or a file of workers/ with a row of its own:
 * `may` names what it imports, `types` that of which it imports types only.
 * @type {Readonly<Record<string, { may: readonly string[], types?: readonly string[] }>>}
 */
const TABLE = {
  errors: { may: [] },
  go: { may: ["errors"] },
  "logger.ts": { may: [] },
  process: { may: ["errors", "go"], types: ["logger.ts"] },
  concurrency: { may: [] },
  oci: { may: ["errors", "go"] },
  cnb: { may: ["errors", "go"], types: ["logger.ts"] },
  files: { may: ["errors", "go"] },
  plan: { may: ["cnb", "errors", "go", "oci"], types: ["inputs"] },
  images: { may: ["cnb", "errors", "go", "oci"], types: ["logger.ts"] },
  http: { may: ["concurrency", "errors", "files", "go"], types: ["process"] },
  auth: { may: ["concurrency", "errors", "files", "go", "http", "oci", "process"] },
  docker: { may: ["errors", "files", "go", "http"], types: ["process"] },
  observe: {
    may: ["assets.ts", "cnb", "concurrency", "errors", "files", "go", "plan", "process", "report", "version.ts"],
    types: ["logger.ts"],
  },
  report: { may: ["cnb", "errors", "files", "go"], types: ["logger.ts"] },
  // The thread border: both sides share protocol.ts, and folders that know nothing of threads.
  "workers/protocol.ts": { may: ["errors", "go"], types: ["observe", "oci", "plan"] },
  workers: { may: ["concurrency", "errors", "go", "oci", "workers/protocol.ts"] },
  // Sends requests for the main thread.
  "workers/uploader.ts": { may: ["concurrency", "files", "http"] },
  // Runs the threads' functions itself for small layers (small-tasks.ts).
  engine: {
    may: ["concurrency", "errors", "files", "go", "observe", "oci", "plan", "workers", "workers/protocol.ts"],
  },
  // The single executable keeps its modules in itself, so a thread's first file needs what reads them.
  "workers/embedded.ts": { may: ["executable"] },
  "build-output": {
    may: ["cnb", "destinations", "errors", "files", "go", "oci", "process"],
    types: ["logger.ts", "plan"],
  },
  destinations: {
    may: ["auth", "caches", "cnb", "concurrency", "docker", "errors", "files", "go", "http", "images", "oci", "plan"],
    types: ["engine", "logger.ts", "observe", "process"],
  },
  caches: {
    may: [
      "cnb",
      "concurrency",
      "destinations",
      "errors",
      "files",
      "go",
      "images",
      "oci",
      "plan",
      "workers/protocol.ts",
    ],
    types: ["engine", "logger.ts", "observe"],
  },
  "assets.ts": { may: ["errors"], types: ["engine"] },
  "version.ts": { may: [] },
  export: {
    may: [
      "assets.ts",
      "auth",
      "build-output",
      "caches",
      "cnb",
      "concurrency",
      "destinations",
      "docker",
      "engine",
      "errors",
      "go",
      "http",
      "images",
      "observe",
      "oci",
      "plan",
      "process",
      "report",
      "workers/protocol.ts",
    ],
    types: ["logger.ts"],
  },
  early: {
    may: [
      "build-output",
      "concurrency",
      "destinations",
      "engine",
      "errors",
      "export",
      "files",
      "go",
      "observe",
      "oci",
      "plan",
      "process",
    ],
    types: ["cnb", "logger.ts", "workers/protocol.ts"],
  },
  inputs: {
    may: ["build-output", "cnb", "errors", "go", "observe", "oci", "plan", "process"],
    types: ["logger.ts"],
  },
  creator: {
    may: [
      "auth",
      "build-output",
      "cnb",
      "concurrency",
      "docker",
      "early",
      "errors",
      "export",
      "go",
      "inputs",
      "observe",
      "oci",
      "plan",
      "process",
    ],
    types: ["logger.ts", "report"],
  },
  cli: {
    may: [
      "build-output",
      "cnb",
      "creator",
      "docker",
      "errors",
      "export",
      "http",
      "inputs",
      "observe",
      "process",
      "report",
      "version.ts",
    ],
    types: ["logger.ts", "plan"],
  },
  executable: { may: ["process"] },
  "index.ts": { may: ["cli", "errors", "process"], types: ["inputs", "logger.ts", "observe"] },
};

const ownRows = Object.keys(TABLE).filter((row) => row.startsWith("workers/"));

/** A pattern for the paths that belong to a row. */
function place(row) {
  if (row === "workers") return `^workers/(?!(${ownRows.map((path) => path.slice("workers/".length)).join("|")})$)`;
  const path = row.startsWith("workers/") ? row : `src/${row}`;
  return `^${path}${row.endsWith(".ts") ? "$" : "/"}`;
}

const places = (rows) => rows.map(place);

const rules = Object.entries(TABLE).flatMap(([row, { may, types = [] }]) => [
  {
    name: `${row} imports what the table does not list`,
    severity: "error",
    from: { path: place(row) },
    to: { path: "^(src|workers)/", pathNot: places([row, ...may, ...types]) },
  },
  {
    name: `${row} imports more than types`,
    severity: "error",
    from: { path: place(row) },
    to: { path: places(types), dependencyTypesNot: ["type-only"] },
  },
]);

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    ...rules.filter(({ to }) => to.path.length > 0),
    {
      name: "folder without a row in the table",
      severity: "error",
      from: { path: "^src/", pathNot: places(Object.keys(TABLE)) },
      to: {},
    },
    { name: "cycle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "unresolved import",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^workers/deflate/assembly/" },
    tsConfig: { fileName: "tsconfig.json" },
    // Types are imports too.
    tsPreCompilationDeps: true,
  },
};
