import { createHash } from "node:crypto";
import { Fault, type FaultCode } from "../errors/fault.ts";
import { goQuote } from "../go/format.ts";
import { checkedText, type GoType } from "../go/json-decode.ts";

declare const digestBrand: unique symbol;
declare const diffIdBrand: unique symbol;

/**
 * `sha256:<64 hex>` of stored bytes: a compressed layer, config or manifest (image-spec v1.1.1 descriptor.md#digests).
 */
export type Digest = string & { readonly [digestBrand]: true };

/** `sha256:<64 hex>` of a layer's uncompressed tar (image-spec v1.1.1 config.md#layer-diffid). */
export type DiffID = string & { readonly [diffIdBrand]: true };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

export function unreadable(code: FaultCode, what: string, problem: string): Fault {
  const hint =
    "Use an image whose config, layers and diffIDs have sha256 digests; the lifecycle supports no others either.";
  return new Fault(code, `${what}: ${problem}`, problem.includes(UNSUPPORTED) ? { hint } : {});
}

const UNSUPPORTED = "unsupported hash: ";

/**
 * Why a text is not a digest, in the words of go-containerregistry's v1.NewHash; undefined for a well-formed SHA-256.
 */
export function digestProblem(text: string): string | undefined {
  if (isSha256(text)) return undefined;
  const colon = text.indexOf(":");
  const [algorithm, body] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon <= 0 || body === "") return `cannot parse hash: ${goQuote(text)}`;
  const odd = /[^0-9a-f]/u.exec(body);
  if (odd !== null) return `found non-hex character in hash: ${odd[0]}`;
  if (algorithm !== "sha256") return `${UNSUPPORTED}${goQuote(algorithm)}`;
  return `wrong number of hex digits for sha256: ${body}`;
}

export const digestType: GoType<Digest> = checkedText(digestProblem).transform((digest) => digest as Digest);

export const diffIdType: GoType<DiffID> = checkedText(digestProblem).transform((diffId) => diffId as DiffID);

export function isSha256(text: string): text is Digest {
  return SHA256.test(text);
}

export function parseDigest(text: string): Digest {
  if (isSha256(text)) return text;
  throw new Fault("EXPORT_IMAGE_MANIFEST", `invalid digest '${text}': expected sha256:<64 hex digits>`);
}

export function parseDiffId(text: string): DiffID {
  if (SHA256.test(text)) return text as DiffID;
  throw new Fault("EXPORT_IMAGE_MANIFEST", `invalid diffID '${text}': expected sha256:<64 hex digits>`);
}

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
}

export function withoutAlgorithm(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}
