import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { BuildOutput } from "../support/build-output.ts";
import type { PushedImage } from "./pushed-image.ts";

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
