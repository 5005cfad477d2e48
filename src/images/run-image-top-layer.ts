import { Fault } from "../faults/fault.ts";
import type { DiffID } from "../oci/digest.ts";
import type { ImageConfig } from "../oci/image-config.ts";

/**
 * The diffID of the run image's last layer, before anything was added on top (docs/compatibility.md#labels,
 * `topLayer`).
 * @throws Fault `image has no layers`; the caller adds the context
 */
export function runImageTopLayer(config: ImageConfig): DiffID {
  const top = config.rootfs.diff_ids.at(-1);
  if (top === undefined) throw new Fault("EXPORT_IMAGE_NO_LAYERS", "image has no layers");
  return top;
}
