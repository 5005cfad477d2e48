import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { dockerRegistryProblem } from "../support/registry/registry-kinds.ts";

export const originSchema = z.object({
  /** ISO 8601, the day. */
  date: z.string(),
  /** The last commit that changed the engine. */
  commit: z.string(),
});

/** When and of what something was measured. */
export type Origin = z.infer<typeof originSchema>;

const sharesSchema = z.object({
  cores: z.number(),
  workers: z.number(),
  tarHash: z.number(),
  blobHash: z.number(),
  main: z.number(),
  registry: z.number(),
});

const fixedSchema = z.object({
  startMs: z.number(),
  messageMs: z.number(),
  mainPerBlockMs: z.number(),
  mainPerMBMs: z.number(),
  registryPerMBMs: z.number(),
});

const stagesSchema = z.object({
  scenario: z.string(),
  /** MB of tar, of compressed bytes, and blocks, of all layers together. */
  tarMB: z.number(),
  outputMB: z.number(),
  blocks: z.number(),
  /** Of one thread for each MB of tar, in ms. */
  readMs: z.number(),
  encodeMs: z.number(),
  crcMs: z.number(),
  tarHashMs: z.number(),
  blobHashMs: z.number(),
  writeMs: z.number(),
});

const checkSchema = z.object({
  scenario: z.string(),
  workers: z.number(),
  measuredMs: z.array(z.number()),
  measuredAppMs: z.array(z.number()),
  predictedMs: z.number(),
  predictedAppMs: z.number(),
});

const curvePointSchema = z.object({
  scenario: z.string(),
  workers: z.number(),
  cores: z.enum(["as many", "enough"]),
  wallMs: z.number(),
  shares: sharesSchema,
});

export const curveSchema = originSchema.extend({
  fixed: fixedSchema,
  stages: z.array(stagesSchema),
  checks: z.array(checkSchema),
  points: z.array(curvePointSchema),
});

/** What was measured for the simulation, how well it foretells real runs, and what it says of machines with more cores. */
export type StoredCurve = z.infer<typeof curveSchema>;
export type StageRates = z.infer<typeof stagesSchema>;
export type CurveCheck = z.infer<typeof checkSchema>;
export type CurvePoint = z.infer<typeof curvePointSchema>;

const runSchema = z.object({
  wallMs: z.number(),
  cpuMs: z.number(),
  peakBytes: z.number(),
  anonymousBytes: z.number().optional(),
  writtenBytes: z.number(),
  appReadyMs: z.number().optional(),
  cacheReadyMs: z.number().optional(),
  sentBytes: z.number().optional(),
  transferMs: z.number().optional(),
  mainThreadMs: z.number().optional(),
  registryMs: z.number().optional(),
});

const cellSchema = originSchema.extend({
  scenario: z.string(),
  link: z.string(),
  /** What connections could buffer at each end, where that was bounded. */
  bufferBytes: z.number().optional(),
  /** 1, or the part of all sizes that was measured. */
  sizeFactor: z.number(),
  files: z.number(),
  bytes: z.number(),
  results: z.array(
    z.object({
      contender: z.object({
        name: z.string(),
        kind: z.enum(["tandem", "reference", "peer", "floor"]),
        mode: z.enum(["series", "parallel"]).optional(),
      }),
      runs: z.array(runSchema),
    }),
  ),
});

const pointSchema = originSchema.extend({
  series: z.string(),
  /** How many of what the series counts. */
  amount: z.number(),
  runs: z.array(runSchema),
});

const resultsSchema = z.object({
  machine: z.array(z.string()),
  cells: z.array(cellSchema),
  points: z.array(pointSchema),
  curve: curveSchema.optional(),
});

/** One scenario on one link. */
export type StoredCell = z.infer<typeof cellSchema>;
/** One point of a series that shows how something grows. */
export type StoredPoint = z.infer<typeof pointSchema>;
/** All that was measured on one machine, in however many runs. */
export type StoredResults = z.infer<typeof resultsSchema>;

/** Where the report's directory keeps them. */
export const RESULTS = join("docs", "benchmarks", "results.json");

/**
 * Adds what was measured now to what the directory has from earlier runs, in whose place it comes where it is the same cell or
 * point. Figures of another machine are dropped: two machines do not belong in one table.
 */
export function mergeResults(earlier: StoredResults | undefined, now: StoredResults): StoredResults {
  if (earlier === undefined || !isDeepStrictEqual(earlier.machine, now.machine)) return now;
  const curve = now.curve ?? earlier.curve;
  return {
    machine: now.machine,
    cells: merge(earlier.cells, now.cells, ({ scenario, link }) => `${scenario} ${link}`),
    points: merge(earlier.points, now.points, ({ series, amount }) => `${series} ${amount}`),
    ...(curve === undefined ? {} : { curve }),
  };
}

function merge<T>(earlier: readonly T[], now: readonly T[], key: (item: T) => string): T[] {
  return [...new Map([...earlier, ...now].map((item) => [key(item), item])).values()];
}

/** @returns undefined when there are none yet */
export function readResults(directory: string): StoredResults | undefined {
  const path = join(directory, RESULTS);
  return existsSync(path) ? resultsSchema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
}

/** Writes them with a line for each cell and point, so that a change of one is a change of one line. */
export function writeResults(directory: string, { machine, cells, points, curve }: StoredResults): void {
  const path = join(directory, RESULTS);
  mkdirSync(dirname(path), { recursive: true });
  const lines = (items: readonly object[]): string => items.map((item) => `\n${JSON.stringify(item, shorten)}`).join();
  const members = [
    `"machine": ${JSON.stringify(machine)}`,
    `"cells": [${lines(cells)}\n]`,
    `"points": [${lines(points)}\n]`,
    ...(curve === undefined ? [] : [`"curve": ${JSON.stringify(curve, shorten)}`]),
  ];
  writeFileSync(path, `{\n${members.join(",\n")}\n}\n`);
}

/** Milliseconds and ratios are not known to more than four places. */
function shorten(_: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value;
}

/** What the figures of our exporter depend on. */
const ENGINE = ["src", "workers", "bin", "scripts/build.ts", "package-lock.json"];

/** Today and the last commit of the engine, with `+` when it was changed since. */
export function measuredNow(): Origin {
  const git = (...args: readonly string[]): string =>
    spawnSync("git", ["-C", join(import.meta.dirname, "..", ".."), ...args, "--", ...ENGINE], {
      encoding: "utf8",
    }).stdout.trim();
  const isChanged = git("status", "--porcelain") !== "";
  const commit = git("log", "-1", "--format=%h") || "unknown";
  return { date: new Date().toISOString().slice(0, 10), commit: `${commit}${isChanged ? "+" : ""}` };
}

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
