import { type Digest, isSha256 } from "../../oci/digest.ts";
import { headerOf } from "../../transport/http.ts";
import type { Answer } from "../../transport/registry-client.ts";
import { RegistryFault } from "../../transport/registry-fault.ts";

/** What was pushed is there under another digest. */
export const WRONG_DIGEST = "EXPORT_REGISTRY_DIGEST";

/**
 * Compares the digest that a registry says it stored (distribution-spec v1.1.1, "Pulling manifests") with the one of what was
 * sent; many say nothing, or use other algorithms.
 * @throws RegistryFault
 */
export function checkStored(answer: Answer, digest: Digest): void {
  const stored = headerOf(answer, "docker-content-digest") ?? "";
  if (!isSha256(stored) || stored === digest) return;
  const message = `PUT ${answer.url.origin}${answer.url.pathname}: the registry stored ${stored} instead of ${digest}`;
  throw new RegistryFault(WRONG_DIGEST, message, {
    status: answer.status,
    isTemporary: false,
    destination: answer.url.host,
    hint: "What it got is not what was sent: look for a proxy that changes requests, or for a damaged disk.",
  });
}
