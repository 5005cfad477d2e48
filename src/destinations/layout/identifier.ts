import { posix } from "node:path";
import { Fault } from "../../faults/fault.ts";
import { goQuote } from "../../faults/go-quote.ts";
import { type Digest, parseDigest } from "../../oci/digest.ts";

/** How analyzed.toml names an image in a layout: `<path>@<digest>`. */
export interface LayoutIdentifier {
  /** Cleaned; relative to the working directory unless absolute. */
  readonly path: string;
  readonly digest: Digest;
}

/**
 * Parses an identifier (docs/compatibility.md#layout-paths; imgutil layout/util.go ParseIdentifier).
 * @throws Fault in the reference's words
 */
export function parseIdentifier(text: string): LayoutIdentifier {
  const [path = "", hash, ...more] = text.split("@");
  if (hash === undefined || more.length > 0)
    throw new Fault("EXPORT_LAYOUT_IDENTIFIER", `identifier ${text} does not have the format '[path]@[digest]'`);
  return { path: clean(path), digest: parseHash(hash) };
}

/** Go's path.Clean: unlike normalize it leaves no slash at the end. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** Words of go-containerregistry's v1.NewHash. */
function parseHash(text: string): Digest {
  const colon = text.indexOf(":");
  const [algorithm, body] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon <= 0 || body === "") throw hashFault(`cannot parse hash: ${goQuote(text)}`);
  const odd = /[^0-9a-f]/u.exec(body);
  if (odd !== null) throw hashFault(`found non-hex character in hash: ${odd[0]}`);
  if (algorithm !== "sha256") throw hashFault(`unsupported hash: ${goQuote(algorithm)}`);
  if (body.length !== 64) throw hashFault(`wrong number of hex digits for sha256: ${body}`);
  return parseDigest(text);
}

function hashFault(message: string): Fault {
  return new Fault("EXPORT_LAYOUT_IDENTIFIER", message);
}
