import { z } from "zod";
import { originSchema } from "../origin-schema.ts";

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

const pointSchema = z.object({
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
  points: z.array(pointSchema),
});

/** What was measured for the simulation, how well it foretells real runs, and what it says of machines with more cores. */
export type StoredCurve = z.infer<typeof curveSchema>;
export type StageRates = z.infer<typeof stagesSchema>;
export type CurveCheck = z.infer<typeof checkSchema>;
export type CurvePoint = z.infer<typeof pointSchema>;
