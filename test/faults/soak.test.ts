import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { SkippingClock } from "../support/clock.ts";
import { verifyImage } from "../support/images/verify-image.ts";
import { RecordingLogger } from "../support/output/recording-logger.ts";
import { startExporter } from "../support/process/exporter.ts";
import { type SeededRandom, seededRandom } from "../support/random.ts";
import { exportOnce } from "../support/soak/export.ts";
import { type LastingFault, lastingFault, passingFaults } from "../support/soak/faults.ts";
import { type ExpectedImages, type SoakExport, SoakScene } from "../support/soak/scene.ts";
import { type Ended, judge, type Verdict } from "../support/soak/verdict.ts";

/** `SOAK=500 SOAK_SEED=1 npm test -- test/faults/soak` runs more; each export has its own seed. */
const EXPORTS = Number(process.env.SOAK ?? 15);
const SEED = Number(process.env.SOAK_SEED ?? 1);
/** Number of the first export: to repeat a single one, or to split a long soak. */
const FROM = Number(process.env.SOAK_FROM ?? 0);
/** One in this many runs as a command in real time; the others run in this process, where waits take no time. */
const BY_COMMAND_EVERY = 25;
/** Timeouts take real time even in this process. */
const DEFAULT_TIMEOUTS = { responseMs: 3000, commitMs: 3000, stallMs: 3000 };

function draw(random: SeededRandom, id: string): SoakExport {
  const names = [`app-${id}:latest`, `app-${id}:v2`, `app-${id}-more:v1`];
  return {
    id,
    isRebuild: random.below(2) === 0,
    isOneRegistry: random.below(2) === 0,
    isParallel: random.below(2) === 0,
    names: names.slice(0, 1 + random.below(3)),
  };
}

async function runInProcess(scene: SoakScene, run: SoakExport): Promise<Ended> {
  const logger = new RecordingLogger();
  const { credentials, tempDir } = scene;
  const clock = new SkippingClock();
  const surroundings = { logger, credentials, tempDir, clock, timeouts: DEFAULT_TIMEOUTS };
  const { exitCode, error } = await exportOnce(scene.argsOf(run), surroundings);
  return { exitCode, reason: `${error?.message}\n${error?.hint}`, lines: logger.lines, happened: scene.settle() };
}

async function runCommand(scene: SoakScene, run: SoakExport): Promise<Ended> {
  const env = { CNB_REGISTRY_AUTH: JSON.stringify(scene.credentials), CNB_EXPORT_RETRY_BUDGET: "40s" };
  const { exitCode, stderr } = await startExporter(scene.argsOf(run), env).ended;
  const reason = stderr.slice(Math.max(0, stderr.indexOf("ERROR: ")));
  return { exitCode: exitCode ?? -1, reason, lines: stderr.split("\n"), happened: scene.settle() };
}

/** Exports both builds without faults. */
async function expectations(scene: SoakScene): Promise<Readonly<Record<"first" | "second", ExpectedImages>>> {
  const found: ExpectedImages[] = [];
  for (const [i, id] of ["first", "second"].entries()) {
    const run = { id, isRebuild: i === 1, isOneRegistry: true, isParallel: false, names: [`app-${id}:latest`] };
    await scene.prepare(run);
    const ended = await runInProcess(scene, run);
    expect(ended).toMatchObject({ exitCode: 0 });
    const app = await verifyImage(`${scene.app.host}/app-${id}:latest`);
    const cache = await verifyImage(scene.cacheNameOf(run));
    if (i === 0) scene.setPrior(app, cache);
    found.push({ app: app.digest, cache: cache.digest });
  }
  const [first, second] = found as [ExpectedImages, ExpectedImages];
  expect(second.app).not.toBe(first.app);
  return { first, second };
}

/** Each export gets temporary faults, and every fourth a permanent one, too. */
function plan(random: SeededRandom, scene: SoakScene, isByCommand: boolean): LastingFault | undefined {
  const someRegistry = () => (random.below(3) === 0 ? scene.cache : scene.app);
  for (const { registry, rule } of passingFaults(random, someRegistry, 1 + random.below(6))) {
    // Takes minutes with real timeouts.
    if (isByCommand && /silence|Retry-After/.test(rule.name ?? "")) continue;
    registry.faults.add(rule);
  }
  if (random.below(4) !== 0) return undefined;
  const { rule, name, ends } = lastingFault(random);
  for (const registry of [scene.app, scene.cache]) registry.faults.add({ ...rule, name });
  return { rule, name, ends };
}

test(
  `${EXPORTS} exports with random faults (seed ${SEED}, from ${FROM})`,
  async () => {
    const scene = await SoakScene.open();
    const expected = await expectations(scene);
    const tally = new Map<string, number>();
    const verdicts: (Verdict & { readonly ms: number })[] = [];
    const findings: string[] = [];
    for (let i = FROM; i < FROM + EXPORTS; i++) {
      const random = seededRandom(SEED * 100_003 + i);
      const run = draw(random, String(i));
      const isByCommand = i % BY_COMMAND_EVERY === BY_COMMAND_EVERY / 2 - 0.5;
      await scene.prepare(run);
      const names = [...run.names.map((name) => `${scene.app.host}/${name}`), scene.cacheNameOf(run)];
      const before = new Map(names.map((name) => [name, scene.tagOf(name)]));
      const lasting = plan(random, scene, isByCommand);
      const startMs = performance.now();
      const ended = await (isByCommand ? runCommand(scene, run) : runInProcess(scene, run));
      const ms = performance.now() - startMs;
      for (const name of ended.happened) tally.set(name, (tally.get(name) ?? 0) + 1);
      const verdict = await judge(scene, run, before, run.isRebuild ? expected.second : expected.first, lasting, ended);
      verdicts.push({ ...verdict, ms });
      const warnings = ended.lines.filter((line) => !/^(debug|info)/.test(line));
      for (const finding of verdict.findings) {
        const about = `${JSON.stringify(run)} with ${[...new Set(ended.happened)].join(", ")}`;
        findings.push([`export ${i}: ${finding}`, about, ...warnings].join("\n  "));
        // Printed at once, because a long soak takes half an hour.
        console.log(findings.at(-1));
      }
    }
    console.log(summary(verdicts, tally));
    expect(findings).toEqual([]);
    // Spools have no names.
    expect(readdirSync(scene.tempDir)).toEqual([]);
  },
  60_000 + EXPORTS * 120_000,
);

function summary(verdicts: readonly (Verdict & { readonly ms: number })[], tally: ReadonlyMap<string, number>): string {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const count = (is: (verdict: Verdict) => boolean) => verdicts.filter(is).length;
  const faults = [...tally]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, times]) => `${String(times).padStart(6)}  ${name}`);
  return [
    `exports            ${verdicts.length}`,
    `  survived         ${count(({ exitCode }) => exitCode === 0)}, with their cache ${count(({ isCacheSaved }) => isCacheSaved)}`,
    `  failed           ${count(({ exitCode }) => exitCode === 62)} with 62, ${count(({ exitCode }) => exitCode === 1)} with 1`,
    `bytes verified     ${sum(verdicts.map(({ verifiedBytes }) => verifiedBytes))}`,
    `tags moved wrongly ${sum(verdicts.map(({ wrongTags }) => wrongTags))}`,
    `longest export     ${(Math.max(...verdicts.map(({ ms }) => ms)) / 1000).toFixed(1)} s`,
    `faults             ${sum([...tally.values()])}`,
    ...faults,
  ].join("\n");
}
