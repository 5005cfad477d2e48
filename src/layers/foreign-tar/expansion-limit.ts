import { Fault } from "../../faults/fault.ts";

/** Up to here nothing is refused however small the blob is, in bytes. */
const ALWAYS_ALLOWED = 2 ** 30;
/** Layers of text shrink to a tenth, sparse disk images to a hundredth; DEFLATE's most is 1/1032, zstd's far less. */
const MAX_RATIO = 200;

/** Refuses blobs that unpack to far more than what any layer does, before they fill the disk. */
export class ExpansionLimit {
  readonly #blobSize: number;
  readonly #most: number;

  /** @param blobSize bytes of the blob as it is stored */
  constructor(blobSize: number, alwaysAllowed = ALWAYS_ALLOWED) {
    this.#blobSize = blobSize;
    this.#most = Math.max(alwaysAllowed, MAX_RATIO * blobSize);
  }

  /** @throws Fault when that many bytes are too much */
  check(bytes: number): void {
    if (bytes <= this.#most) return;
    throw new Fault(
      "EXPORT_LAYER_EXPANSION",
      `decompression bomb: ${this.#blobSize} bytes unpack to more than ${this.#most}`,
      { hint: "If the layer is meant to be like that, keep the large empty files out of the image." },
    );
  }
}
