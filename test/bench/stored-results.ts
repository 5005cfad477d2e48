import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { originSchema } from "./origin-schema.ts";
import { curveSchema } from "./worker-curve/stored-curve.ts";

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
