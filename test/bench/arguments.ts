import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type Link, parseLink } from "./links.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";

/** What to measure. */
export interface Selection {
  readonly cells: readonly { readonly scenario: Scenario; readonly link: Link }[];
  readonly workers: readonly number[];
  readonly rounds: number;
  /** Of all sizes. */
  readonly sizeFactor: number;
  /** Measure how an export grows with layers, sizes and tags. */
  readonly growth: boolean;
  /** Simulate machines with more cores. */
  readonly curve: boolean;
  /** Write the report of what was measured before, and measure nothing. */
  readonly isReport: boolean;
  /** Where BENCHMARKS.md and the pictures go; undefined: they are not written. */
  readonly writeTo: string | undefined;
}

export const USAGE = `npm run bench -- [options]

  --scenario a,b    of ${SCENARIOS.map(({ name }) => name).join(", ")}
  --link a,b        free, <MB/s> (a link for each registry), <MB/s>-shared (one for both); 20 ms round trips
  --workers a,b     compressing threads (default: 1 and the cores of this machine)
  --runs n          of each contender, by turns (default 3)
  --all             every scenario on every link that it is meant for (hours)
  --scale           how an export grows: 1 to 500 layers, 1 MB to 20 GB, 1 to 10 tags; no scenario unless one is named
  --curve           from 1 to 16 workers: measures what stages cost here and simulates machines with more cores
  --report          write the report anew from the figures that are there, and measure nothing
  --quick           a tenth of the sizes, one run: to see that it works
  --write           write BENCHMARKS.md and docs/benchmarks, where figures of earlier runs are kept
  --out directory   ... there instead of in the project

REFERENCE_EXPORTER=/path/to/exporter is compared in the same run where it is set. So are crane (CRANE or on the PATH), buildctl
and buildkitd (BUILDCTL and BUILDKITD or on the PATH), skopeo, gzip and pigz.`;

/**
 * @param root where `--write` writes
 * @returns undefined when help was asked for
 * @throws Error that says what is wrong
 */
export function parseSelection(args: readonly string[], root: string): Selection | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: "string" },
      link: { type: "string" },
      workers: { type: "string", default: [...new Set([1, availableParallelism()])].join() },
      runs: { type: "string" },
      all: { type: "boolean", default: false },
      scale: { type: "boolean", default: false },
      curve: { type: "boolean", default: false },
      report: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const isOther = values.scale || values.curve;
  const scenarios = values.scenario?.split(",").map(findScenario) ?? (isOther ? [] : SCENARIOS);
  const links = values.link?.split(",");
  const linksOf = (scenario: Scenario): readonly string[] => {
    if (links !== undefined) return links;
    if (values.all) return [...scenario.links, ...scenario.moreLinks];
    return scenario.links.length === 0 && values.scenario !== undefined ? scenario.moreLinks : scenario.links;
  };
  const isForProject = values.write || values.report;
  if (values.quick && isForProject && values.out === undefined)
    throw new Error("figures of --quick are not for the project's report: give --out");
  return {
    cells: scenarios.flatMap((scenario) => linksOf(scenario).map((link) => ({ scenario, link: parseLink(link) }))),
    workers: values.workers.split(",").map((text) => wholeNumber("workers", text)),
    rounds: wholeNumber("runs", values.runs ?? (values.quick ? "1" : "3")),
    sizeFactor: values.quick ? 0.1 : 1,
    growth: values.scale,
    curve: values.curve,
    isReport: values.report,
    writeTo: isForProject || values.out !== undefined ? (values.out ?? root) : undefined,
  };
}

function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}\n\n${USAGE}`);
  return found;
}

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${name} takes whole numbers from 1, not ${text}`);
  return Number(text);
}
