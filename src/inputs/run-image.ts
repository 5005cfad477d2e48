import type { BuildMetadata } from "../cnb/build-metadata.ts";
import type { RunImageNames } from "../cnb/metadata.ts";
import { parseReference } from "../oci/reference.ts";

const NO_NAMES: RunImageNames = { image: "", mirrors: [] };

/**
 * Chooses the run image's names for the metadata label from run.toml, from API 0.12 on
 * (docs/compatibility.md#run-image-names).
 * @param images of run.toml
 * @param analyzedImage `run-image.image` of analyzed.toml, "" if absent
 * @param readBuildMetadata called only if run.toml does not have that image
 */
export async function chooseRunImage(
  images: readonly RunImageNames[],
  analyzedImage: string,
  readBuildMetadata: () => Promise<BuildMetadata>,
): Promise<RunImageNames> {
  const [first] = images;
  if (first === undefined) return NO_NAMES;
  const wanted = comparableName(analyzedImage);
  const isWanted = (name: string) => comparableName(name) === wanted;
  const found = images.find(({ image, mirrors }) => isWanted(image) || mirrors.some(isWanted));
  if (found !== undefined) return found;
  const { extensions } = await readBuildMetadata();
  // An extension may have switched the run image, so the first of run.toml need not be the one that was used.
  return extensions !== null && extensions.length > 0 ? { image: analyzedImage, mirrors: [] } : first;
}

/** The full name with any digest dropped; a name that does not parse stands for itself. */
function comparableName(name: string): string {
  const [withoutDigest = ""] = name.includes("@sha256:") ? name.split("@") : [name];
  try {
    return parseReference(withoutDigest).name;
  } catch {
    return name;
  }
}
