import { createHash } from "node:crypto";
import { Fault } from "../errors/fault.ts";

declare const digestBrand: unique symbol;
declare const diffIdBrand: unique symbol;

/** `sha256:<64 hex>` of bytes as they are stored: a compressed layer, a config, a manifest (image-spec v1.1.1 descriptor.md#digests). */
export type Digest = string & { readonly [digestBrand]: true };

/** `sha256:<64 hex>` of a layer's uncompressed tar (image-spec v1.1.1 config.md#layer-diffid). */
export type DiffID = string & { readonly [diffIdBrand]: true };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** True for a well-formed lower-case SHA-256 digest string. */
export function isSha256(text: string): boolean {
  return SHA256.test(text);
}

/** @throws Fault when the text is not `sha256:` and 64 lower-case hex digits. */
export function parseDigest(text: string): Digest {
  if (!isSha256(text))
    throw new Fault("EXPORT_IMAGE_MANIFEST", `invalid digest '${text}': expected sha256:<64 hex digits>`);
  return text as Digest;
}

/** @throws Fault when the text is not `sha256:` and 64 lower-case hex digits. */
export function parseDiffId(text: string): DiffID {
  if (!isSha256(text))
    throw new Fault("EXPORT_IMAGE_MANIFEST", `invalid diffID '${text}': expected sha256:<64 hex digits>`);
  return text as DiffID;
}

/** The digest of bytes that are small enough to be held in memory (configs, manifests). */
export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}
