import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { pushRunImage } from "../support/run-image.ts";
import { writeAnalyzedToml } from "./analyzed-toml.ts";
import { APP, type Contender, type Course, tandem } from "./contender.ts";
import { type BenchBuild, writeMark } from "./make-build.ts";
import { readPushedImage } from "./pushed-image.ts";
import type { Before } from "./scenarios.ts";

const RUN_IMAGE = "bench/run";

/**
 * Brings registries and build into the state in which a run begins, without the link and unmeasured: the run image is
 * there, and what the contender itself exported before. A floor finds the app image in the first registry, and nothing in
 * the second.
 */
export async function prepare(course: Course, before: Before, contender: Contender): Promise<void> {
  const { build, registries } = course;
  const [direct, linked] = [registries.direct[0], registries.linked[0]];
  const runImage = await pushRunImage(`${direct}/${RUN_IMAGE}`);
  writeAnalyzedToml(build.output, runImage);
  writeMark(build.mark, before === "one-layer-differs" ? "before" : "now");
  const to = (app: string, cache: string): Course => ({
    ...course,
    registries: { ...registries, linked: [app, cache] },
  });
  if (contender.kind === "floor") {
    if (contender.needsImage) await tandem("parallel", availableParallelism()).run(to(direct, direct));
  } else if (before !== "nothing") await contender.run(to(...registries.direct));
  writeMark(build.mark, "now");
  const linkedRunImage = runImage.replace(direct, linked);
  if (before === "nothing") writeAnalyzedToml(build.output, linkedRunImage);
  else {
    const image = await readPushedImage(`${direct}/${APP}`);
    writeAnalyzedToml(build.output, linkedRunImage, { repository: `${linked}/${APP}`, image });
  }
  // What was written for other runs must not reach the disk during the one that is measured.
  spawnSync("sync");
  readAll(build.output);
}

/** Kernels drop from memory what nobody reads for a while: the first in a row would be measured with the disk, and the others without. */
function readAll({ layersDir, appDir }: BenchBuild["output"]): void {
  spawnSync("find", [layersDir, appDir, "-type", "f", "-exec", "cat", "{}", "+"], { stdio: "ignore" });
}
