import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "../../../scripts/script.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import type { Played } from "../play-case.ts";
import type { ConformanceCase, Outcome } from "../recorded-case.ts";

/** Path of the generated cases' facts. */
export const GENERATED_FACTS = join(ROOT, "fixtures", "conformance", "generated.json");

const outcomeSchema = z.object({
  exitCode: z.number().nullable(),
  stderr: z.array(z.string()),
  registry: z.record(z.string(), z.string()),
  /** Digests of all that is long, by its name in an outcome. */
  digests: z.record(z.string(), z.string()),
});

const factsSchema = z.object({
  /**
   * Digest of the case, to tell a generator that makes other cases of its seeds from an exporter that does other
   * things.
   */
  case: z.string(),
  previous: outcomeSchema.optional(),
  run: outcomeSchema,
  previousCacheManifestStillThere: z.boolean().optional(),
});

/** Expected facts of a case: its short parts, and digests of the long ones. */
export type CompactFacts = z.output<typeof factsSchema>;

type CompactOutcome = z.output<typeof outcomeSchema>;

/** The facts by seed. */
export function readGeneratedFacts(): ReadonlyMap<number, CompactFacts> {
  const facts = z.record(z.string(), factsSchema).parse(JSON.parse(readFileSync(GENERATED_FACTS, "utf8")));
  return new Map(Object.entries(facts).map(([seed, compact]) => [Number(seed), compact]));
}

export function compactFacts(given: ConformanceCase, played: Played): CompactFacts {
  const { previous, run, previousCacheManifestStillThere: isThere } = played;
  return {
    case: shortDigest(given),
    ...(previous === undefined ? {} : { previous: compactOutcome(previous) }),
    run: compactOutcome(run),
    ...(isThere === undefined ? {} : { previousCacheManifestStillThere: isThere }),
  };
}

/** Expands compact facts to the parts of an expectation that comparableOf() needs. */
export function expandFacts({ previous, run, previousCacheManifestStillThere }: CompactFacts): Played {
  return { previous: previous && expand(previous), run: expand(run), previousCacheManifestStillThere };
}

/** Short enough to be many, long enough not to be met by chance. */
export function shortDigest(value: unknown): string {
  return digestOf(Buffer.from(JSON.stringify(value))).slice(7, 19);
}

function compactOutcome({ exitCode, stderr, registry, ...long }: Outcome): CompactOutcome {
  const present = Object.entries(long).filter(([, value]) => !isNothing(value));
  const digests = present.map(([name, value]) => [name, shortDigest(sorted(value))] as const);
  return { exitCode, stderr, registry, digests: Object.fromEntries(digests) };
}

function expand({ exitCode, stderr, registry }: CompactOutcome): Outcome {
  return { exitCode, stderr, registry, stdout: [], report: null, images: {} };
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || JSON.stringify(value) === "{}" || JSON.stringify(value) === "[]";
}

/** Objects with their members in one order, which is no fact. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}
