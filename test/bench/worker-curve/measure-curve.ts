import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { oneLayerOfZeros } from "../growth.ts";
import { parseLink } from "../network/links.ts";
import { type CurveCheck, type CurvePoint, measuredNow, type StageRates, type StoredCurve } from "../results.ts";
import { tandem } from "../run/contender.ts";
import { type BenchBuild, makeBuild } from "../run/make-build.ts";
import { type Result, runCell } from "../run/run-cell.ts";
import { SCENARIOS, type Scenario } from "../scenarios.ts";
import { spreadOf } from "../statistics.ts";
import { type SimulatedRun, simulateExport } from "./simulated-export.ts";
import { type FixedCosts, type MeasuredLayer, measureMessage, measureStages } from "./stage-costs.ts";

const MB = 1e6;
const COUNTS = [1, 2, 4, 8, 16];
/** More cores than the simulated threads can use. */
const ENOUGH = 64;
/** Predicted scenarios: one large layer, and a build of several. */
const PREDICTED = ["large-1g", "java"];
/**
 * Layers that cost main-thread time per block, but send nothing: one just large enough for threads, and a large one.
 */
const FEW_ZEROS_MB = 10;
const ZEROS_MB = 4000;
/** With so many workers, other threads than the main one send uploads. */
const MANY = 8;

export interface CurveOptions {
  readonly rounds: number;
  readonly sizeFactor: number;
  /** Cores of this machine. */
  readonly cores: number;
  readonly tempDir: string;
  readonly onProgress: (text: string) => void;
}

/** A build with the cost of its stages, and real exports for each number of workers. */
interface Measured {
  readonly scenario: Scenario;
  readonly layers: readonly MeasuredLayer[];
  /** By number of workers. */
  readonly results: ReadonlyMap<number, Result>;
}

/**
 * Measures the cost of each stage on this machine, checks predictions against real exports with 1 worker and with one
 * per core, and predicts machines with more cores.
 */
export async function measureCurve(options: CurveOptions): Promise<StoredCurve> {
  const { cores, onProgress } = options;
  const scenario = (name: string): Scenario => SCENARIOS.find((one) => one.name === name) as Scenario;
  const few = await measure(oneLayerOfZeros(FEW_ZEROS_MB), [1, MANY], options);
  const zeros = await measure(oneLayerOfZeros(ZEROS_MB), [1, MANY], options);
  const builds: Measured[] = [];
  for (const name of PREDICTED) builds.push(await measure(scenario(name), [1, cores, MANY], options));
  const large = builds[0] as Measured;
  const overTls = await measure({ ...large.scenario, registries: "tls" }, [1], options);
  const main = mainCosts(few, zeros, large, 1);
  const fixed: FixedCosts = {
    ...main,
    startMs: medianOf(few, "wallMs"),
    tlsPerMBMs: mainCosts(few, zeros, overTls, 1).mainPerMBMs,
    supervisePerMBMs: mainCosts(few, zeros, large, MANY).mainPerMBMs,
    registryPerMBMs:
      (medianOf(large, "registryMs") - medianOf(few, "registryMs")) / (medianOf(large, "sentBytes") / MB),
    messageMs: await measureMessage(),
  };
  const checks: CurveCheck[] = [];
  const points: CurvePoint[] = [];
  for (const build of builds) {
    const name = build.scenario.name;
    for (const [workers, result] of build.results) {
      const run = await simulate(build, fixed, { workers, cores });
      const check = { scenario: name, workers, predictedMs: run.wallMs, predictedAppMs: run.appReadyMs };
      const times = (figure: "wallMs" | "appReadyMs"): number[] => result.runs.map((one) => one[figure] ?? Number.NaN);
      checks.push({ ...check, measuredMs: times("wallMs"), measuredAppMs: times("appReadyMs") });
      onProgress(
        `${name}, ${workers} workers: ${times("wallMs").join(", ")} ms, predicted ${run.wallMs.toFixed(0)} ms`,
      );
    }
    // Registries on other machines use none of these cores, and accept bytes as fast as they are sent.
    const elsewhere = { ...fixed, registryPerMBMs: 0 };
    for (const workers of COUNTS) {
      for (const kind of ["as many", "enough", "TLS"] as const) {
        const costs = kind === "TLS" ? { ...elsewhere, mainPerMBMs: fixed.tlsPerMBMs ?? Number.NaN } : elsewhere;
        const run = await simulate(build, costs, { workers, cores: kind === "enough" ? ENOUGH : workers });
        points.push({ scenario: name, workers, cores: kind, wallMs: run.wallMs, shares: run.shares });
      }
    }
  }
  return { ...measuredNow(), fixed, stages: builds.map(stageRates), checks, points };
}

async function simulate(
  { layers }: Measured,
  fixed: FixedCosts,
  machine: { readonly workers: number; readonly cores: number },
): Promise<SimulatedRun> {
  return await simulateExport(
    layers.map(({ costs }) => costs),
    fixed,
    machine,
  );
}

async function measure(scenario: Scenario, counts: readonly number[], options: CurveOptions): Promise<Measured> {
  const { rounds, sizeFactor, tempDir, onProgress } = options;
  const directory = mkdtempSync(join(tempDir, "build-"));
  const build: BenchBuild = makeBuild(directory, scenario, sizeFactor);
  const contenders = [...new Set(counts)].map((count) => tandem("parallel", count));
  const results = await runCell({ scenario, link: parseLink("free"), build }, contenders, {
    rounds,
    tempDir,
    onRun: (name, { wallMs }) => onProgress(`${scenario.name}: ${name} ${wallMs.toFixed(0)} ms`),
  });
  const layers = await measureStages(build, tempDir);
  rmSync(directory, { recursive: true });
  return { scenario, layers, results: new Map(results.map((result, i) => [counts[i] ?? 0, result])) };
}

type Figure = "wallMs" | "mainThreadMs" | "registryMs" | "sentBytes";

function medianOf({ results }: Measured, figure: Figure, workers = 1): number {
  const result = results.get(workers);
  const median = result === undefined ? undefined : spreadOf(result, figure)?.median;
  if (median === undefined) throw new Error(`no ${figure}: the curve needs docker-registry`);
  return median;
}

/**
 * Derives the main thread's costs from exports that differ in one thing: the number of blocks that send nothing, and
 * blocks that send.
 */
function mainCosts(
  few: Measured,
  zeros: Measured,
  large: Measured,
  workers: number,
): Pick<FixedCosts, "mainPerBlockMs" | "mainPerMBMs"> {
  const more = (build: Measured): number =>
    medianOf(build, "mainThreadMs", workers) - medianOf(few, "mainThreadMs", workers);
  const blocks = (build: Measured): number => build.layers.reduce((sum, { stages }) => sum + stages.length, 0);
  const moreBlocks = (build: Measured): number => blocks(build) - blocks(few);
  const mainPerBlockMs = more(zeros) / moreBlocks(zeros);
  const sentMB = medianOf(large, "sentBytes", workers) / MB;
  return { mainPerBlockMs, mainPerMBMs: Math.max(0, more(large) - mainPerBlockMs * moreBlocks(large)) / sentMB };
}

function stageRates({ scenario, layers }: Measured): StageRates {
  const all = layers.flatMap(({ stages }) => stages);
  const total = (stage: keyof (typeof all)[number]): number => all.reduce((sum, block) => sum + block[stage], 0);
  const tarMB = total("rawBytes") / MB;
  return {
    scenario: scenario.name,
    tarMB,
    outputMB: total("outputBytes") / MB,
    blocks: all.length,
    readMs: total("readMs") / tarMB,
    encodeMs: total("encodeMs") / tarMB,
    crcMs: total("crcMs") / tarMB,
    tarHashMs: total("tarHashMs") / tarMB,
    blobHashMs: total("blobHashMs") / tarMB,
    writeMs: total("writeMs") / tarMB,
  };
}
