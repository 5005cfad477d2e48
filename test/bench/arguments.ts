import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { positiveNumber, wholeNumber } from "../support/numeric-options.ts";
import { type Link, parseLink } from "./network/links.ts";
import { FRONT_CELLS, findScenario, SCENARIOS, type Scenario } from "./scenarios.ts";

/** The measurements to make, or another task. */
export interface Selection {
  readonly kind: "measure" | "compare" | "report";
  readonly cells: readonly { readonly scenario: Scenario; readonly link: Link }[];
  readonly workers: readonly number[];
  readonly rounds: number;
  /** Factor for all sizes. */
  readonly sizeFactor: number;
  /**
   * Measures only what the front page shows: our exporter with the most workers and the reference, with `-parallel`.
   */
  readonly isFront: boolean;
  /** Measures how an export grows with layers, sizes and tags. */
  readonly growth: boolean;
  /** Simulates machines with more cores. */
  readonly curve: boolean;
  /** Runs whole builds with `creator` on these links. */
  readonly creatorLinks: readonly Link[];
  /** The commit or directory to compare with; undefined: where this branch left main. */
  readonly against: string | undefined;
  readonly buildCost: boolean;
  /** Destination of BENCHMARKS.md and its pictures; undefined: not written. */
  readonly writeTo: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --quick             is this tree faster or slower than main? Takes two minutes
  --against x         ... than this commit or built directory
  --front             what BENCHMARKS.md opens with, about 20 minutes with both references (add --write)

  --scenario a,b      of ${SCENARIOS.map(({ name }) => name).join(", ")}
  --link a,b          free, <MB/s> (a link for each registry), <MB/s>-shared (one for both); round trips of 20 ms
  --workers a,b       compressing threads (default: 1 and the cores of this machine)
  --runs n            of each contender, in turns (default 3)
  --size x            factor for all sizes, such as 0.1 for a smoke test (default 1)
  --all               every scenario on every link that it lists (hours)
  --scale             how an export grows: 1 to 500 layers, 1 MB to 20 GB, 1 to 10 tags
  --curve             1 to 16 workers: measures the cost of each stage and simulates machines with more cores
  --creator           whole builds with creator, on loopback and on --link (default 22); needs REFERENCE_LIFECYCLE_DIR
  --build-cost        what early export costs a build that uses all cores: six builds for each of --runs, eight minutes for 3;
                      needs REFERENCE_LIFECYCLE_DIR, and root for a CPU cgroup, without which nice values may not count
                      --scale, --curve, --creator and --build-cost run no scenario unless one is named
  --write             write BENCHMARKS.md and docs/benchmarks; results of earlier runs are kept
  --out directory     ... into this directory instead of the project
  --report            rewrite the report from stored results, without measuring

Environment: REFERENCE_EXPORTER=/path/to/exporter and REFERENCE_LIFECYCLE_DIR=/path/to/lifecycle (a directory with creator and
all phases) are measured in the same run. So are crane (CRANE or PATH), buildctl and buildkitd (BUILDCTL, BUILDKITD or PATH),
skopeo, gzip, pigz and igzip. DOCKER_HOST adds builds into that daemon to --creator.`;

const MEASURED = ["scenario", "link", "runs", "size", "all", "front", "scale", "curve", "creator", "build-cost"];

/** Options that have no effect beside another. */
const POINTLESS: Readonly<Record<string, readonly string[]>> = {
  quick: [...MEASURED, "report", "write", "out"],
  against: [...MEASURED, "report", "write", "out"],
  report: [...MEASURED, "workers"],
  front: ["scenario", "all"],
};

/** @throws Error if an option would be ignored */
function checkTogether(given: readonly string[]): void {
  for (const name of given) {
    const other = POINTLESS[name]?.find((pointless) => given.includes(pointless));
    if (other !== undefined) throw new Error(`--${name} has no use for --${other}: omit one of them`);
  }
}

/**
 * @param root where `--write` writes
 * @throws Error for invalid arguments
 */
export function parseSelection(args: readonly string[], root: string): Selection {
  const { values, tokens } = parseArgs({
    args,
    tokens: true,
    options: {
      scenario: { type: "string" },
      link: { type: "string" },
      workers: { type: "string", default: [...new Set([1, availableParallelism()])].join() },
      runs: { type: "string", default: "3" },
      size: { type: "string", default: "1" },
      all: { type: "boolean", default: false },
      front: { type: "boolean", default: false },
      scale: { type: "boolean", default: false },
      curve: { type: "boolean", default: false },
      creator: { type: "boolean", default: false },
      "build-cost": { type: "boolean", default: false },
      report: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      against: { type: "string" },
      write: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  checkTogether(tokens.flatMap((token) => (token.kind === "option" ? [token.name] : [])));
  const isCompared = values.quick || values.against !== undefined;
  const isForProject = values.write || values.report;
  const sizeFactor = positiveNumber("size", values.size);
  if (sizeFactor !== 1 && isForProject && values.out === undefined)
    throw new Error("results of --size are not for the project's report: add --out");
  const isCreator = values.creator || (values.front && process.env.REFERENCE_LIFECYCLE_DIR !== undefined);
  const kind = isCompared ? "compare" : values.report ? "report" : "measure";
  return {
    kind,
    cells: kind === "measure" ? selectCells(values) : [],
    workers: values.workers.split(",").map((text) => wholeNumber("workers", text)),
    rounds: wholeNumber("runs", values.runs),
    sizeFactor,
    isFront: values.front,
    growth: values.scale,
    curve: values.curve,
    creatorLinks: isCreator ? [...new Set(["free", ...(values.link ?? "22").split(",")])].map(parseLink) : [],
    buildCost: values["build-cost"],
    against: values.against,
    writeTo: isForProject || values.out !== undefined ? (values.out ?? root) : undefined,
  };
}

interface CellOptions {
  readonly scenario?: string | undefined;
  readonly link?: string | undefined;
  readonly all: boolean;
  readonly front: boolean;
  readonly scale: boolean;
  readonly curve: boolean;
  readonly creator: boolean;
  readonly "build-cost": boolean;
}

function selectCells({ scenario: names, link, all, front, ...others }: CellOptions): Selection["cells"] {
  if (front) return FRONT_CELLS.map((cell) => ({ scenario: findScenario(cell.scenario), link: parseLink(cell.link) }));
  const isOther = others.scale || others.curve || others.creator || others["build-cost"];
  const scenarios = names?.split(",").map(findScenario) ?? (isOther ? [] : SCENARIOS);
  const linksOf = (scenario: Scenario): readonly string[] => {
    if (link !== undefined) return link.split(",");
    if (all) return [...scenario.links, ...scenario.moreLinks];
    return scenario.links.length === 0 && names !== undefined ? scenario.moreLinks : scenario.links;
  };
  return scenarios.flatMap((scenario) => linksOf(scenario).map((name) => ({ scenario, link: parseLink(name) })));
}
