import { drawLineChart, type LinePanel } from "../report/charts.ts";
import { markdownTable } from "../report/result-table.ts";
import type { CurvePoint, StageRates, StoredCurve } from "../results.ts";
import { medianOf } from "../statistics.ts";

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;

/** From this share on, a stage is the bottleneck. */
const FULL = 0.9;

const LIMITS = {
  cores: "all cores",
  workers: "workers",
  tarHash: "SHA-256 of the tar",
  blobHash: "SHA-256 of the blob, and the spool",
  digesters: "hashing threads",
  main: "main thread",
  uploaders: "a thread that uploads",
  registry: "registry",
} as const;

/** The saturated stage; if there is none, the busiest one, after start and end, which are sequential. */
function limitOf({ shares }: CurvePoint): string {
  const stages = Object.keys(LIMITS) as (keyof typeof LIMITS)[];
  const shareOf = (stage: keyof typeof LIMITS): number => shares[stage] ?? 0;
  const busiest = stages.reduce((most, stage) => (shareOf(stage) > shareOf(most) + 1e-6 ? stage : most));
  const name = `${LIMITS[busiest]}, ${percent(shareOf(busiest))}`;
  return shareOf(busiest) >= FULL ? name : `start and end; then ${name}`;
}

function checksTable({ checks }: StoredCurve): string {
  const rows = checks.map(({ scenario, workers, measuredMs, measuredAppMs, predictedMs, predictedAppMs }) => {
    const [wall, app] = [medianOf(measuredMs), medianOf(measuredAppMs)];
    const off = (predicted: number, measured: number): string => `${((predicted / measured - 1) * 100).toFixed(1)}%`;
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
  return markdownTable(["ms per MB of tar", ...columns.map(([title]) => title)], rows);
}

function pointsTable(curve: StoredCurve, scenario: string): string {
  const points = (cores: CurvePoint["cores"]): CurvePoint[] =>
    curve.points.filter((point) => point.scenario === scenario && point.cores === cores);
  const tarMB = curve.stages.find((rates) => rates.scenario === scenario)?.tarMB ?? Number.NaN;
  const first = points("as many")[0]?.wallMs ?? Number.NaN;
  const rows = points("as many").map((point, i) => {
    const enough = points("enough")[i] as CurvePoint;
    const overTls = points("TLS")[i];
    return [
      `${point.workers} ${point.workers === 1 ? "worker" : "workers"}`,
      seconds(point.wallMs),
      (first / point.wallMs).toFixed(2),
      (tarMB / (point.wallMs / 1000)).toFixed(0),
      percent(point.shares.main),
      limitOf(point),
      seconds(enough.wallMs),
      limitOf(enough),
      ...(overTls === undefined ? [] : [seconds(overTls.wallMs), limitOf(overTls)]),
    ];
  });
  const header = ["", "as many cores: s", "x faster", "MB/s", "main thread", "limit", "cores to spare: s", "limit"];
  const hasTls = points("TLS").length > 0;
  return markdownTable([...header, ...(hasTls ? ["as many cores, TLS: s", "limit"] : [])], rows);
}

/** The section of BENCHMARKS.md, without its picture. */
export function describeCurve(curve: StoredCurve): readonly string[] {
  const { fixed } = curve;
  const micros = (ms: number): string => `${(ms * 1000).toFixed(0)} µs`;
  const { tlsPerMBMs, supervisePerMBMs } = fixed;
  const others = [
    ...(tlsPerMBMs === undefined ? [] : [`over TLS ${micros(tlsPerMBMs)}`]),
    ...(supervisePerMBMs === undefined ? [] : [`if other threads send it ${micros(supervisePerMBMs)}`]),
  ];
  const sending = [micros(fixed.mainPerMBMs), ...others].join("; ");
  const scenarios = curve.stages.map(({ scenario }) => scenario);
  return [
    `A simulation predicts machines with more cores (\`npm run bench -- --curve\`, ${curve.date}, engine of commit ${curve.commit}).

- *Measured on this machine*, for every block of every layer, while the other cores are busy (median of three passes): the thread
  time of reading, compressing, CRC-32, SHA-256 of the tar, SHA-256 of the compressed bytes, and writing the spool file. Also
  measured: the latency of a message between threads (${micros(fixed.messageMs)}), the main thread's time per block
  (${micros(fixed.mainPerBlockMs)}, from 4 GB of zeros) and per MB sent (${sending}),
  the registries' time per MB (${micros(fixed.registryPerMBMs)}), and an export of 10 MB of zeros (${fixed.startMs.toFixed(0)} ms).
- *Simulated*, event by event: workers, hashing threads that consume blocks in order, the main thread with four callbacks
  per block, and uploads that follow the spool: from 6 workers on in two threads of their own, which take as long as
  the main thread. Slots, priorities, the limit of concurrent layers and the gate for cache uploads are the exporter's own classes
  on a simulated clock. Threads share the cores evenly.
- *Not simulated*: contention for memory and caches, slower disks and networks, writeback, other processes, garbage collection.
  Results for many cores are therefore upper bounds: trust the shape of the curve and its limits, not its seconds. The first table
  shows how much longer real exports take.`,
    "Real exports on this machine, with the registries on the same cores, and the simulation of them:",
    checksTable(curve),
    "Cost of each stage:",
    stagesTable(curve),
    ...scenarios.flatMap((scenario) => [
      `### 1 to 16 workers: ${scenario}`,
      "Registries are on other machines and accept bytes as fast as they are sent. *As many cores* as workers is the default; *cores to spare* has a core for every other thread.",
      pointsTable(curve, scenario),
    ]),
  ];
}

/** Draws the speed-up over one worker. */
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
