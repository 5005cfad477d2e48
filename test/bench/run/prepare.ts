import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { BuildOutput } from "../../support/build/build-output.ts";
import { pushRunImage } from "../../support/images/run-image.ts";
import { type PushedImage, readPushedImage } from "../network/registries.ts";
import type { Before } from "../scenarios.ts";
import { APP, type Contender, type RunContext, tandem } from "./contender.ts";
import { writeMark } from "./make-build.ts";

export const RUN_IMAGE = "bench/run";

/**
 * Brings registries and build into the state in which a run begins, unmeasured and without the link: pushes the run
 * image and what the contender itself exported before. A floor finds the app image in the first registry; the second is
 * empty.
 */
export async function prepare(context: RunContext, before: Before, contender: Contender): Promise<void> {
  const { build, registries } = context;
  const [direct, linked] = [registries.direct[0], registries.linked[0]];
  const runImage = await pushRunImage(`${direct}/${RUN_IMAGE}`, registries.access);
  writeAnalyzedToml(build.output, runImage);
  writeMark(build.mark, before === "one-layer-differs" ? "before" : "now");
  const to = (app: string, cache: string): RunContext => ({
    ...context,
    registries: { ...registries, linked: [app, cache] },
  });
  if (contender.kind === "floor") {
    if (contender.needsImage) await tandem("parallel", availableParallelism()).run(to(direct, direct));
  } else if (before !== "nothing") await contender.run(to(...registries.direct));
  writeMark(build.mark, "now");
  const linkedRunImage = runImage.replace(direct, linked);
  if (before === "nothing") writeAnalyzedToml(build.output, linkedRunImage);
  else {
    const image = await readPushedImage(`${direct}/${APP}`, registries.access);
    writeAnalyzedToml(build.output, linkedRunImage, { repository: `${linked}/${APP}`, image });
  }
  settleDisk(build.output.layersDir, build.output.appDir);
}

/**
 * Writes back what earlier runs left, so that the measured run does not share the disk with it, and reads the inputs
 * into the page cache, from which the kernel may have evicted them.
 */
export function settleDisk(...inputs: readonly string[]): void {
  spawnSync("sync");
  spawnSync("find", [...inputs, "-type", "f", "-exec", "cat", "{}", "+"], { stdio: "ignore" });
}

/**
 * Writes analyzed.toml as the analyzer does: the run image and, for a previous image, its reference and metadata label
 * (docs/compatibility.md#analyzed-metadata).
 * @param runImage by digest
 */
function writeAnalyzedToml(
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
