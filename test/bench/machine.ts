import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dockerRegistryProblem } from "../support/registry/registry-kinds.ts";

/** What the figures depend on; nothing that names the machine. */
export function machineFacts(): string[] {
  const hasSha = /\bsha_ni\b|\bsha2\b/.test(spawnSync("cat", ["/proc/cpuinfo"], { encoding: "utf8" }).stdout);
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() || "unknown"})${hasSha ? " with SHA instructions" : ""}`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory`,
    `Linux ${release()}, ${process.arch}`,
    `Node.js ${process.version}`,
    dockerRegistryProblem() === undefined
      ? "registries: docker-registry (distribution) with its files on the local disk, on the same cores"
      : "registries: this project's test registry, in the process that measures",
  ];
}
