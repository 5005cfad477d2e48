import { extensionOf } from "../cnb/created-by.ts";
import { type ByteString, fromByteString } from "../oci/byte-string.ts";
import type { Digest } from "../oci/digest.ts";
import type { AppStep } from "./app-step.ts";
import type { WantedLayers } from "./wanted-layers.ts";

/** A layer of the extended run image that an image extension made (docs/compatibility.md#image-extensions). */
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
 * The steps for extension layers. No metadata records them and no log line mentions their reuse, but a blob that the
 * previous image has is not compressed again (docs/compatibility.md#known-blobs).
 * @param previous diffIDs of the previous image's extension layers
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
