import type { DaemonImage } from "../destinations/daemon/image.ts";
import { Fault } from "../faults/fault.ts";
import type { DiffID } from "../oci/digest.ts";
import type { LayerContent, SourceImage } from "./app-destination.ts";
import { DaemonSource, diffIdOf } from "./daemon-image.ts";
import type { LoadedLayer } from "./daemon-load.ts";

/** The image of a daemon that a source is. @throws Fault for one of another destination */
export function originOf(image: SourceImage): DaemonImage {
  if (image instanceof DaemonSource) return image.image;
  throw new Fault("EXPORT_INTERNAL", `image ${image.name} is in no daemon`);
}

/**
 * Chooses where each layer of a loaded image comes from. A daemon with classic storage identifies layers by everything
 * below them: it has those of the run image, and those of the previous image up to the first difference
 * (docs/compatibility.md#daemon-load).
 * @param contents of the layers on top of the run image, from the bottom
 * @param omitsKnown whether to omit layers that the daemon has; false if it needs complete images
 */
export function chooseLayers(
  base: DaemonImage,
  contents: readonly LayerContent<SourceImage>[],
  omitsKnown: boolean,
): LoadedLayer[] {
  const chain: DiffID[] = [...base.config.rootfs.diff_ids];
  const chosen: LoadedLayer[] = chain.map((diffId) =>
    omitsKnown ? { kind: "known" } : { kind: "saved", diffId, image: base },
  );
  let isChainKnown = omitsKnown;
  for (const content of contents) {
    if (content.kind === "existing") chain.push(diffIdOf(content.descriptor));
    isChainKnown &&= content.kind === "existing" && startsWith(content.from, chain);
    chosen.push(isChainKnown ? { kind: "known" } : ownLayer(content));
  }
  return chosen;
}

function startsWith({ config }: SourceImage, chain: readonly string[]): boolean {
  return chain.every((diffId, i) => config.rootfs.diff_ids[i] === diffId);
}

/** From its files where they are: it need not be read out of the daemon then. */
function ownLayer(content: LayerContent<SourceImage>): LoadedLayer {
  if (content.kind === "made") return { kind: "made", layer: content.layer };
  if (content.otherwise !== undefined) return { kind: "made", layer: content.otherwise.layer };
  return { kind: "saved", diffId: diffIdOf(content.descriptor), image: originOf(content.from) };
}
