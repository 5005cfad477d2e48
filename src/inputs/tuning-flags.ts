import type { FlagRow } from "./flag-table.ts";
import type { Machine } from "./machine.ts";
import { defaultWorkers } from "./worker-count.ts";

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
