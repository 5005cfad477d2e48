import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../../../scripts/build.ts";
import { runScript } from "../../../scripts/script.ts";
import { positiveNumber, wholeNumber } from "../../support/numeric-options.ts";
import { parseLink } from "../network/links.ts";
import { tandemFromSources } from "../run/contender.ts";
import { makeBuild } from "../run/make-build.ts";
import { runCell } from "../run/run-cell.ts";
import { findScenario } from "../scenarios.ts";
import { readCpuProfile } from "./cpu-profile.ts";

const USAGE = `node scripts/with-runtime.mjs test/bench/profile/profile.ts [--scenario java] [--link free] [--workers n] [--series] [--size 0.1] [--top 12] [--keep directory]

Profiles one export of a scenario and shows where each thread spends its time.
--keep: keeps the .cpuprofile files of all threads there, for Chrome's DevTools.`;

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "java" },
      link: { type: "string", default: "free" },
      workers: { type: "string", default: String(availableParallelism()) },
      series: { type: "boolean", default: false },
      size: { type: "string", default: "1" },
      top: { type: "string", default: "12" },
      keep: { type: "string" },
    },
  });
  const [scenario, link] = [findScenario(values.scenario), parseLink(values.link)];
  const [workers, size] = [wholeNumber("workers", values.workers), positiveNumber("size", values.size)];
  const most = wholeNumber("top", values.top);
  await build();
  const tempDir = mkdtempSync(join(tmpdir(), "tandem-profile-"));
  const profiles = values.keep ?? join(tempDir, "profiles");
  try {
    const output = makeBuild(join(tempDir, "build"), scenario, size);
    const flags = [
      "--cpu-prof",
      `--cpu-prof-dir=${profiles}`,
      "--import",
      join(import.meta.dirname, "profile-threads.ts"),
    ];
    const contender = tandemFromSources(values.series ? "series" : "parallel", workers, flags);
    await runCell({ scenario, link, build: output }, [contender], {
      rounds: 1,
      tempDir,
      onRun: (name, { wallMs, cpuMs }) => console.log(`${name}: wall ${wallMs.toFixed(0)} ms, CPU ${cpuMs} ms`),
    });
    for (const file of readdirSync(profiles).filter((name) => name.endsWith(".cpuprofile")))
      show(join(profiles, file), most);
  } finally {
    rmSync(tempDir, { recursive: true });
  }
}

function show(path: string, most: number): void {
  const { thread, busyMs, idleMs, selfTimes } = readCpuProfile(path);
  console.log(`\nthread ${thread}: busy ${busyMs.toFixed(0)} ms, idle ${idleMs.toFixed(0)} ms`);
  for (const { name, ms } of selfTimes.slice(0, most))
    console.log(`  ${ms.toFixed(0).padStart(7)} ms  ${((100 * ms) / busyMs).toFixed(1).padStart(5)} %  ${name}`);
}

await runScript(USAGE, main);
