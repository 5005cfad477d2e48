import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { ROOT } from "../../scripts/script.ts";
import { dockerRegistryProblem } from "../support/registry/registry-kinds.ts";

const originSchema = z.object({
  /** The day, ISO 8601. */
  date: z.string(),
  /** The last commit that changed the engine; `+` if there were uncommitted changes. */
  commit: z.string(),
});

export type Origin = z.infer<typeof originSchema>;

const sharesSchema = z.object({
  cores: z.number(),
  workers: z.number(),
  tarHash: z.number(),
  blobHash: z.number(),
  main: z.number(),
  digesters: z.number().optional(),
  uploaders: z.number().optional(),
  registry: z.number(),
});

const fixedSchema = z.object({
  startMs: z.number(),
  messageMs: z.number(),
  mainPerBlockMs: z.number(),
  mainPerMBMs: z.number(),
  supervisePerMBMs: z.number().optional(),
  tlsPerMBMs: z.number().optional(),
  registryPerMBMs: z.number(),
});

const stagesSchema = z.object({
  scenario: z.string(),
  /** Of all layers together. */
  tarMB: z.number(),
  outputMB: z.number(),
  blocks: z.number(),
  /** Time of one thread per MB of tar, in ms. */
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
  cores: z.enum(["as many", "enough", "TLS"]),
  wallMs: z.number(),
  shares: sharesSchema,
});

const curveSchema = originSchema.extend({
  fixed: fixedSchema,
  stages: z.array(stagesSchema),
  checks: z.array(checkSchema),
  points: z.array(curvePointSchema),
});

/** Measured costs, predictions checked against real runs, and predictions for machines with more cores. */
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
  /** Limit of the kernel buffer at each end of a connection, if there was one. */
  bufferBytes: z.number().optional(),
  /** Factor of all sizes; 1 for results to quote. */
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
  /** In the unit of the series. */
  amount: z.number(),
  runs: z.array(runSchema),
});

const creatorRunSchema = z.object({
  /** From the first buildpack's start to the last one's end. */
  buildMs: z.number(),
  /** From the end of the build until the registry or daemon has the app image. */
  readyMs: z.number(),
  /** From the end of the build to the end of the process. */
  endMs: z.number(),
  cpuMs: z.number(),
  /** Our creator's own share of the build's cores, 0 to 1: how much longer it makes a build that uses all of them. */
  takenShare: z.number().optional(),
});

const creatorSchema = originSchema.extend({
  target: z.enum(["registry", "daemon"]),
  link: z.string(),
  build: z.enum(["first", "rebuild", "change"]),
  bufferBytes: z.number().optional(),
  sizeFactor: z.number(),
  results: z.array(
    z.object({
      contender: z.object({ name: z.string(), kind: z.enum(["tandem", "reference"]) }),
      runs: z.array(creatorRunSchema),
    }),
  ),
});

const buildCostSchema = originSchema.extend({
  sizeFactor: z.number(),
  /** Extra waiting and CPU time of build steps while our creator could run, by their length; its share of all cores. */
  runs: z.array(z.object({ waiting: z.number(), cpu: z.number(), takenShare: z.number() })),
});

const resultsSchema = z.object({
  machine: z.array(z.string()),
  /** The front page's cells. */
  front: z.array(cellSchema).default([]),
  cells: z.array(cellSchema),
  points: z.array(pointSchema),
  creator: z.array(creatorSchema).default([]),
  curve: curveSchema.optional(),
  buildCost: buildCostSchema.optional(),
});

/** One scenario on one link. */
export type StoredCell = z.infer<typeof cellSchema>;
/** One point of a growth series. */
export type StoredPoint = z.infer<typeof pointSchema>;
/** One build of the creator scenario into one target. */
export type StoredCreator = z.infer<typeof creatorSchema>;
export type CreatorBuild = StoredCreator["build"];
/** Cost of early export for builds that use all cores. */
export type BuildCost = z.infer<typeof buildCostSchema>;
export type CreatorRun = z.infer<typeof creatorRunSchema>;
/** All results from one machine, of any number of runs. */
export type StoredResults = z.infer<typeof resultsSchema>;

/** Path below the report's directory. */
export const RESULTS = join("docs", "benchmarks", "results.json");

/**
 * Adds new results to those of earlier runs. Each cell, point, build and curve replaces its predecessor as a whole.
 * Results of another machine are dropped, because one table must not mix machines.
 */
export function mergeResults(earlier: StoredResults | undefined, now: StoredResults): StoredResults {
  if (earlier === undefined || !isDeepStrictEqual(earlier.machine, now.machine)) return now;
  const curve = now.curve ?? earlier.curve;
  const buildCost = now.buildCost ?? earlier.buildCost;
  const cellKey = ({ scenario, link }: StoredCell): string => `${scenario} ${link}`;
  return {
    machine: now.machine,
    front: merge(earlier.front, now.front, cellKey),
    cells: merge(earlier.cells, now.cells, cellKey),
    points: merge(earlier.points, now.points, ({ series, amount }) => `${series} ${amount}`),
    creator: merge(earlier.creator, now.creator, ({ target, link, build }) => `${target} ${link} ${build}`),
    ...(curve === undefined ? {} : { curve }),
    ...(buildCost === undefined ? {} : { buildCost }),
  };
}

function merge<T>(earlier: readonly T[], now: readonly T[], key: (item: T) => string): T[] {
  return [...new Map([...earlier, ...now].map((item) => [key(item), item])).values()];
}

/** @returns undefined if there are none yet */
export function readResults(directory: string): StoredResults | undefined {
  const path = join(directory, RESULTS);
  return existsSync(path) ? resultsSchema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
}

/** Writes one line per cell, point and build, so that a new measurement changes one line. */
export function writeResults(
  directory: string,
  { machine, front, cells, points, creator, curve, buildCost }: StoredResults,
): void {
  const path = join(directory, RESULTS);
  mkdirSync(dirname(path), { recursive: true });
  const lines = (items: readonly object[]): string => items.map((item) => `\n${JSON.stringify(item, shorten)}`).join();
  const members = [
    `"machine": ${JSON.stringify(machine)}`,
    `"front": [${lines(front)}\n]`,
    `"cells": [${lines(cells)}\n]`,
    `"points": [${lines(points)}\n]`,
    `"creator": [${lines(creator)}\n]`,
    ...(curve === undefined ? [] : [`"curve": ${JSON.stringify(curve, shorten)}`]),
    ...(buildCost === undefined ? [] : [`"buildCost": ${JSON.stringify(buildCost, shorten)}`]),
  ];
  writeFileSync(path, `{\n${members.join(",\n")}\n}\n`);
}

/** Rounds to four decimals. */
function shorten(_: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value;
}

/** Sources that our exporter's results depend on. */
const ENGINE = ["src", "workers", "bin", "scripts/build.ts", "package-lock.json"];

/** Today, and the last commit that changed the engine, with `+` if it has uncommitted changes. */
export function measuredNow(): Origin {
  const git = (...args: readonly string[]): string =>
    spawnSync("git", ["-C", ROOT, ...args, "--", ...ENGINE], {
      encoding: "utf8",
    }).stdout.trim();
  const isChanged = git("status", "--porcelain") !== "";
  const commit = git("log", "-1", "--format=%h") || "unknown";
  return { date: new Date().toISOString().slice(0, 10), commit: `${commit}${isChanged ? "+" : ""}` };
}

/** Machine facts that results depend on; nothing that identifies the machine. */
export function machineFacts(): string[] {
  const hasSha = /\bsha_ni\b|\bsha2\b/.test(spawnSync("cat", ["/proc/cpuinfo"], { encoding: "utf8" }).stdout);
  return [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() || "unknown"})${hasSha ? " with SHA instructions" : ""}`,
    `${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory`,
    `Linux ${/^[\d.]+/.exec(release())?.[0]}, ${process.arch}`,
    `Node.js ${process.version}`,
    dockerRegistryProblem() === undefined
      ? "registries: docker-registry (distribution) with its files on the local disk, on the same cores"
      : "registries: this project's test registry, in the process that measures",
  ];
}
