import { drawLineChart, type LinePanel } from "../charts.ts";
import { markdownTable } from "../result-table.ts";
import type { CurvePoint, StageRates, StoredCurve } from "../results.ts";
import { spreadOfNumbers } from "../statistics.ts";

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** From this share on a stage is what the rest waits for. */
const FULL = 0.9;

const LIMITS = {
  cores: "all cores",
  workers: "workers",
  tarHash: "SHA-256 of the tar",
  blobHash: "SHA-256 of the blob, and the spool",
  main: "main thread",
  registry: "registry",
} as const;

/** The stage that has no time left; where none is that busy, the order in which things must happen. */
export function limitOf({ shares }: CurvePoint): string {
  const stages = Object.keys(LIMITS) as (keyof typeof LIMITS)[];
  const busiest = stages.reduce((most, stage) => (shares[stage] > shares[most] + 1e-6 ? stage : most));
  const name = `${LIMITS[busiest]}, ${percent(shares[busiest])}`;
  return shares[busiest] >= FULL ? name : `start and end; then ${name}`;
}

function checksTable({ checks }: StoredCurve): string {
  const rows = checks.map(({ scenario, workers, measuredMs, measuredAppMs, predictedMs, predictedAppMs }) => {
    const [wall, app] = [median(measuredMs), median(measuredAppMs)];
    const off = (foretold: number, measured: number): string => `${((foretold / measured - 1) * 100).toFixed(1)} %`;
    return [
      `${scenario}, ${workers} ${workers === 1 ? "worker" : "workers"}`,
      `${seconds(wall)} (${seconds(Math.min(...measuredMs))}-${seconds(Math.max(...measuredMs))})`,
      seconds(predictedMs),
      off(predictedMs, wall),
      seconds(app),
      seconds(predictedAppMs),
      off(predictedAppMs, app),
    ];
  });
  const header = ["", "measured s", "simulated s", "off by", "app ready: measured s", "simulated s", "off by"];
  return markdownTable(header, rows);
}

function stagesTable({ stages }: StoredCurve): string {
  const columns: readonly [string, keyof StageRates][] = [
    ["read", "readMs"],
    ["compress", "encodeMs"],
    ["CRC-32", "crcMs"],
    ["SHA-256 of the tar", "tarHashMs"],
    ["SHA-256 of the blob", "blobHashMs"],
    ["spool", "writeMs"],
  ];
  const rows = stages.map((rates) => [
    `${rates.scenario}: ${rates.tarMB.toFixed(0)} MB in ${rates.blocks} blocks, ${rates.outputMB.toFixed(0)} MB compressed`,
    ...columns.map(([, stage]) => Number(rates[stage]).toFixed(2)),
  ]);
  return markdownTable(["ms for each MB of tar", ...columns.map(([title]) => title)], rows);
}

function pointsTable(curve: StoredCurve, scenario: string): string {
  const points = (cores: CurvePoint["cores"]): CurvePoint[] =>
    curve.points.filter((point) => point.scenario === scenario && point.cores === cores);
  const tarMB = curve.stages.find((rates) => rates.scenario === scenario)?.tarMB ?? Number.NaN;
  const first = points("as many")[0]?.wallMs ?? Number.NaN;
  const rows = points("as many").map((point, i) => {
    const enough = points("enough")[i] as CurvePoint;
    return [
      `${point.workers} ${point.workers === 1 ? "worker" : "workers"}`,
      seconds(point.wallMs),
      (first / point.wallMs).toFixed(2),
      (tarMB / (point.wallMs / 1000)).toFixed(0),
      percent(point.shares.main),
      limitOf(point),
      seconds(enough.wallMs),
      limitOf(enough),
    ];
  });
  const header = ["", "as many cores: s", "x faster", "MB/s", "main thread", "limit", "cores to spare: s", "limit"];
  return markdownTable(header, rows);
}

/** The section of BENCHMARKS.md, without its picture. */
export function describeCurve(curve: StoredCurve): readonly string[] {
  const { fixed } = curve;
  const scenarios = curve.stages.map(({ scenario }) => scenario);
  return [
    `What a machine with more cores would do is simulated (\`npm run bench -- --curve\`, ${curve.date}, engine of commit ${curve.commit}).

- *Measured on this machine*: for every block of every layer what reading, compressing, CRC-32, SHA-256 of the tar, SHA-256 of the
  compressed bytes and writing the spool take of one thread while the other cores are busy (median of three passes); a message between threads
  (${(fixed.messageMs * 1000).toFixed(0)} µs); the main thread's time for each block (${(fixed.mainPerBlockMs * 1000).toFixed(0)} µs, from 4 GB of zeros) and each MB sent
  (${(fixed.mainPerMBMs * 1000).toFixed(0)} µs); the registries' time for each MB (${(fixed.registryPerMBMs * 1000).toFixed(0)} µs); an export of next to nothing (${fixed.startMs.toFixed(0)} ms).
- *Simulated*: the scheduling, event by event: workers, two digesting threads that take blocks in order, the main thread that is
  called four times for each block, uploads that follow the spool. Slots, priorities, the limit of layers at once and the gate
  that lets cache uploads through are the exporter's own classes on a simulated clock. Threads share the cores evenly.
- *Not simulated*: cores that slow each other down through shared memory and caches, disks and networks that are slower than
  this machine's, files that wait to be written back, other programs, garbage collection. So the figures for many cores are the
  most that the scheduling allows: take the shape of the curve and its limits, not its seconds; the first table shows by how
  much real exports here are slower.`,
    "Real exports on this machine's cores, registries on the same cores, and what the simulation says of them:",
    checksTable(curve),
    "What the stages cost:",
    stagesTable(curve),
    ...scenarios.flatMap((scenario) => [
      `### 1 to 16 workers: ${scenario}`,
      "Registries are on other machines and take what is sent. *As many cores* as workers, as by default; *cores to spare* for all other threads.",
      pointsTable(curve, scenario),
    ]),
  ];
}

/** Times faster than one worker, over the number of workers. */
export function drawCurve(curve: StoredCurve): string {
  const panels = curve.stages.map(({ scenario }): LinePanel => {
    const speedUp = (cores: CurvePoint["cores"]): (readonly [number, number])[] => {
      const points = curve.points.filter((point) => point.scenario === scenario && point.cores === cores);
      const first = curve.points.find((point) => point.scenario === scenario && point.cores === "as many");
      return points.map(({ workers, wallMs }) => [workers, (first?.wallMs ?? Number.NaN) / wallMs]);
    };
    return {
      title: `Scenario ${scenario}`,
      xLabel: "workers",
      unit: "x",
      scales: "linear-log",
      lines: [
        { label: "as many cores", tint: "tandem", points: speedUp("as many") },
        { label: "cores to spare", tint: "floor", points: speedUp("enough") },
      ],
    };
  });
  return drawLineChart(
    "From 1 to 16 workers, simulated",
    "times faster than one worker on one core; registries elsewhere",
    panels,
  );
}

function median(values: readonly number[]): number {
  return spreadOfNumbers(values)?.median ?? Number.NaN;
}
