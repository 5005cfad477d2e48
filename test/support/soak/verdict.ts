import { verifyImage } from "../images/verify-image.ts";
import type { ExportEnd } from "./export.ts";
import { type LastingFault, VANISHING } from "./faults.ts";
import type { ExpectedImages, SoakExport, SoakScene } from "./scene.ts";

export interface Verdict {
  readonly exitCode: number;
  readonly isCacheSaved: boolean;
  /** Compressed bytes of layers that were pulled and compared. */
  readonly verifiedBytes: number;
  readonly wrongTags: number;
  readonly findings: readonly string[];
}

export interface Ended extends Pick<ExportEnd, "exitCode"> {
  readonly reason: string;
  readonly lines: readonly string[];
  readonly happened: readonly string[];
}

const CACHE_FAILED = /Failed to export cache: /;

/** Compares the export's report with the contents of the registries. */
export async function judge(
  scene: SoakScene,
  run: SoakExport,
  before: ReadonlyMap<string, string | undefined>,
  expected: ExpectedImages,
  lasting: LastingFault | undefined,
  ended: Ended,
): Promise<Verdict> {
  const findings: string[] = [];
  const { exitCode, reason, lines, happened } = ended;
  const cacheFailures = lines.filter((line) => CACHE_FAILED.test(line));
  const ends = lasting !== undefined && happened.includes(lasting.name) ? lasting.ends : undefined;
  const codes = { opening: 1, app: 62, cache: 0, none: 0 };
  if (exitCode !== codes[ends ?? "none"]) findings.push(`exit code ${exitCode} (${reason})`);
  if (exitCode === 0 && cacheFailures.length !== (ends === "cache" ? 1 : 0))
    findings.push(`the cache failed ${cacheFailures.length} times: ${cacheFailures.join("; ")}`);
  if (exitCode !== 0 && !reason.includes(scene.app.host)) findings.push(`the error names no registry: ${reason}`);
  const reported = scene.reportedBy(run);
  const isCacheSaved = exitCode === 0 && cacheFailures.length === 0;
  const names = run.names.map((name) => `${scene.app.host}/${name}`);
  if (exitCode === 0 && reported.length !== names.length) findings.push(`report.toml lists ${reported.join(", ")}`);
  const wanted = new Map(names.map((name) => [name, reported.includes(name) ? expected.app : before.get(name)]));
  const cache = scene.cacheNameOf(run);
  wanted.set(cache, isCacheSaved ? expected.cache : before.get(cache));
  let [verifiedBytes, wrongTags] = [0, 0];
  const verified = new Set<string>();
  for (const [name, digest] of wanted) {
    const found = scene.tagOf(name);
    if (found !== digest) {
      wrongTags += 1;
      findings.push(`${name} is ${found}, not ${digest}`);
      continue;
    }
    // Names in one repository share all blobs.
    const image = `${name.replace(/:[^:/]*$/, "")}@${found}`;
    const isDamaged = happened.includes(VANISHING) && found === before.get(name);
    if (found === undefined || isDamaged || verified.has(image)) continue;
    verified.add(image);
    verifiedBytes += await verifiedSize(name, findings);
  }
  return { exitCode, isCacheSaved, verifiedBytes, wrongTags, findings };
}

/** Existing images must still be complete, too. */
async function verifiedSize(name: string, findings: string[]): Promise<number> {
  try {
    const { layers } = await verifyImage(name);
    return layers.reduce((sum, { size }) => sum + size, 0);
  } catch (error) {
    findings.push(`${name}: ${error}`);
    return 0;
  }
}
