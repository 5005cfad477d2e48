import type { BuiltImage } from "../../images/built-image.ts";
import { type Digest, isSha256 } from "../../oci/digest.ts";
import { RegistryFault } from "../../transport/registry-fault.ts";

const UNKNOWN = new Set(["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]);

/**
 * The blobs for want of which a manifest was refused (distribution-spec v1.1.1, code-1), of those that it lists. Registries name
 * them anywhere in the error; one that names none means any of them.
 * @returns undefined when the manifest was refused for another reason
 */
export function missingBlobs(
  error: unknown,
  { configDescriptor, layers }: Pick<BuiltImage, "configDescriptor" | "layers">,
): readonly Digest[] | undefined {
  if (!(error instanceof RegistryFault)) return undefined;
  const unknown = error.diagnostics.filter(({ code }) => UNKNOWN.has(code));
  if (unknown.length === 0) return undefined;
  const words = unknown.map(({ message, detail }) => `${message} ${JSON.stringify(detail)}`).join(" ");
  const named = new Set((words.match(/sha256:[0-9a-f]{64}/g) ?? []).filter(isSha256));
  const blobs = [configDescriptor, ...layers].map(({ digest }) => digest);
  const found = blobs.filter((digest) => named.has(digest));
  return found.length === 0 ? blobs : found;
}
