import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { BuildOutput } from "../support/build-output.ts";
import { pushRunImage } from "../support/run-image.ts";
import { APP, type Contender, type Course, tandem } from "./contender.ts";
import { type BenchBuild, writeMark } from "./make-build.ts";
import { type PushedImage, readPushedImage } from "./registries.ts";
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

/**
 * Writes analyzed.toml as the analyzer does: the run image and, for a previous image, its reference and its metadata
 * label (docs/compatibility.md#analyzed-metadata).
 * @param runImage by digest
 * @param previous its repository, and the image found there
 */
export function writeAnalyzedToml(
  { layersDir }: BuildOutput,
  runImage: string,
  previous?: { readonly repository: string; readonly image: PushedImage },
): void {
  const document: Record<string, unknown> = { "run-image": { reference: runImage } };
  if (previous !== undefined) {
    const { repository, image } = previous;
    document.image = { reference: `${repository}@${image.digest}` };
    // TOML has no null; an absent member means the same.
    document.metadata = JSON.parse(image.labels["io.buildpacks.lifecycle.metadata"] ?? "{}", (_, value: unknown) =>
      value === null ? undefined : value,
    );
  }
  writeFileSync(join(layersDir, "analyzed.toml"), stringify(document));
}
