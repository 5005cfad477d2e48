import { extensionOf } from "../cnb/created-by.ts";
import { type ByteString, fromByteString } from "../oci/byte-string.ts";
import type { Digest } from "../oci/digest.ts";
import type { AppStep } from "./app-step.ts";
import type { WantedLayers } from "./wanted-layers.ts";

/** A layer of the extended run image that an image extension provides (contract 12). */
export interface ExtensionLayer {
  /** Its number among all layers of that image, from 0. */
  readonly index: number;
  /** From its history entry; kept as it is. */
  readonly createdBy: string;
  /** Of its blob's file. */
  readonly path: ByteString;
  readonly digest: Digest;
  /** Bytes of its blob. */
  readonly size: number;
}

/**
 * The steps for the layers of extensions. No metadata records them and no log says that one is reused, but a blob that the
 * previous image has is not made again (design, idea 5).
 * @param previous diffIDs of the previous image's
 */
export function* extensionSteps(
  layers: readonly ExtensionLayer[],
  previous: readonly string[],
  wanted: WantedLayers,
): Generator<AppStep> {
  for (const { createdBy, ...blob } of layers) {
    const id = `${extensionOf(createdBy) ?? "from extensions"}:extended-layer-${blob.index}`;
    yield {
      kind: "layer",
      role: { kind: "extension" },
      id,
      createdBy,
      key: wanted.want(id, { kind: "extension", ...blob }, previous),
      previous: [],
      making: `failed to create layer from tar path ${fromByteString(blob.path)}`,
      adding: "failed to add or reuse extension layer",
    };
  }
}
