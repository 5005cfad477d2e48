import type { Descriptor } from "../oci/descriptor.ts";
import type { PlacedLayer } from "./app-destination.ts";

/**
 * The descriptor of a layer whatever became of its way to the destination: an image that cannot be saved under one name may
 * still be saved under another, and a log names what could not be saved.
 * @param isBlamed true for an error that is the destination's and not the layer's
 */
export async function describeLayer(
  { content, placed }: PlacedLayer,
  isBlamed: (error: unknown) => boolean,
): Promise<Descriptor> {
  try {
    return await placed;
  } catch (error) {
    if (!isBlamed(error)) throw error;
    if (content.kind === "existing") return content.descriptor;
    const { digest, size } = await (await content.layer.blob()).done;
    return { mediaType: await content.mediaType, size, digest };
  }
}
