import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeLink } from "./link-speed.ts";
import { machineFacts } from "./machine.ts";
import { floorSentences, HEADER, resultRows } from "./result-table.ts";
import { drawScenario, type MeasuredCell } from "./scenario-chart.ts";

const PICTURES = join("docs", "benchmarks");

/** How the benchmark was run. */
export interface RunFacts {
  readonly command: string;
  readonly rounds: number;
  readonly hasReference: boolean;
  readonly isQuick: boolean;
}

/** Writes BENCHMARKS.md, and a picture of each scenario below docs/benchmarks, into the given directory. */
export function writeReport(directory: string, cells: readonly MeasuredCell[], facts: RunFacts): void {
  mkdirSync(join(directory, PICTURES), { recursive: true });
  const scenarios = Map.groupBy(cells, ({ scenario }) => scenario);
  for (const [{ name }, ofScenario] of scenarios)
    writeFileSync(join(directory, PICTURES, `${name}.svg`), drawScenario(ofScenario));
  const sections = [...scenarios.values()].map(describeScenario);
  writeFileSync(join(directory, "BENCHMARKS.md"), `${[introduction(facts), ...sections].join("\n\n")}\n`);
}

function introduction({ command, rounds, hasReference, isQuick }: RunFacts): string {
  const peer = hasReference
    ? "`reference` is the lifecycle project's exporter with the same flags."
    : "The lifecycle project's exporter was not given (`REFERENCE_EXPORTER`), so nothing is compared with it.";
  return `# Benchmarks

Written by \`npm run bench -- --write\`; do not edit.${isQuick ? " **Made with --quick: sizes of a tenth, not for quoting.**" : ""}

${[...machineFacts(), new Date().toISOString().slice(0, 10)].map((fact) => `- ${fact}`).join("\n")}

To repeat: \`${command}\`

Times are medians over ${rounds} ${rounds === 1 ? "run" : "runs"}, the range in brackets, from the start of the process. Contenders
run by turns, each run with new, empty registries and a new temporary directory; after each run the app images' diffIDs are
compared. ${peer} Ratios are to it in the same mode, above 1 is better.

- *series* is without, *parallel* with \`-parallel\`.
- Layers are made of files of the machine. MB are 10^6 bytes.
- *peak* is resident memory, *written* what was handed to disks, *sent* what went to both registries (on loopback: what they
  stored), *link alone* the time that the link with the most to carry needs for its bytes.
- What a rebuild finds was exported by the same contender, unmeasured.
- Registries, links and exporter share the cores, so the registries' work is in the wall times, not in the CPU times.
- Floors do only a part of the work: the pipelines read, tar and compress every file of the build once; \`skopeo copy\`
  uploads an app image that is compressed already.`;
}

function describeScenario(cells: readonly MeasuredCell[]): string {
  const [first] = cells;
  if (first === undefined) return "";
  const { scenario, build } = first;
  const { name, about } = scenario;
  const files = `${build.files.toLocaleString("en")} files, ${(build.bytes / 1e6).toFixed(1)} MB before compression`;
  const tables = cells.map(({ link, results }) => {
    const sentences = floorSentences(results).map((sentence) => `- ${sentence}`);
    return [`### ${name}: ${describeLink(link)}`, markdownTable(resultRows(results)), sentences.join("\n")].join(
      "\n\n",
    );
  });
  const head = `## ${name}\n\n${about[0]?.toUpperCase()}${about.slice(1)}: ${files}.`;
  return [head, `![${name}](${PICTURES}/${name}.svg)`, ...tables].join("\n\n").trimEnd();
}

function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = HEADER.map((_, i) => (i === 0 ? "---" : "---:"));
  return [line(HEADER), line(rule), ...rows.map(line)].join("\n");
}
