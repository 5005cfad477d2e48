import { Fault } from "../faults/fault.ts";
import { parseReference } from "../oci/reference.ts";
import { argumentFault } from "./argument-fault.ts";
import type { ReferenceSettings } from "./initial-settings.ts";

/** @throws Fault if the first argument is empty (step 3 of docs/compatibility.md#input-resolution) */
export function requireOutputImage({ outputImage }: ReferenceSettings): void {
  if (outputImage === "") throw argumentFault("image argument is required");
}

/**
 * Every named image must parse, used or not (step 7 of docs/compatibility.md#input-resolution).
 * @throws Fault `could not parse reference: <text>`
 */
export function checkReferences(settings: ReferenceSettings): void {
  const { previousImage, buildImage, runImage, cacheImage } = settings;
  for (const image of [...destinationsOf(settings), previousImage, buildImage, runImage, cacheImage])
    if (image !== "") parseReference(image);
}

/**
 * The app image and its tags must share one registry; the cache image may be anywhere (step 8 of
 * docs/compatibility.md#input-resolution).
 * @throws Fault if there are several
 */
export function checkSameRegistry(settings: ReferenceSettings): void {
  if (settings.daemon) return;
  const registries = new Set(destinationsOf(settings).map((image) => parseReference(image).registry));
  if (registries.size > 1)
    throw new Fault("EXPORT_ARGS_REGISTRIES", "writing to multiple registries is unsupported", {
      hint: `The image and its tags are in ${[...registries].join(", ")}.`,
    });
}

/** Output image and additional tags; an empty argument names nothing. */
function destinationsOf({ outputImage, additionalTags }: ReferenceSettings): readonly string[] {
  return [outputImage, ...additionalTags].filter((image) => image !== "");
}
