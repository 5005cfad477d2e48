import type { Repository } from "../../oci/reference.ts";
import { DENIED, NOT_FOUND, RegistryFault } from "../../transport/registry-fault.ts";

/** What a failed request was about: `blob sha256:...`, `manifest latest`. */
export interface Subject {
  readonly repository: Repository;
  readonly what: string;
}

/** Words in which registries say that somebody has to pay or to clean up first. */
const QUOTA = /quota|storage limit|exceed|insufficient storage|payment/i;

/**
 * The fault of a push with what its message does not say: what to do about it, and the status, blob and repository that it is
 * about. Anything else passes unchanged.
 */
export function explained(error: unknown, subject: Subject): unknown {
  if (!(error instanceof RegistryFault)) return error;
  const { status, hint } = error;
  const about = `${status === undefined ? "no answer" : `HTTP ${status}`} for ${subject.what} of ${subject.repository.name}`;
  const sentences = [hint ?? advice(error, subject), `(${about})`].filter((text) => text !== undefined);
  return error.withHint(sentences.join(" "), subject.repository.name);
}

function advice(error: RegistryFault, { repository }: Subject): string | undefined {
  const { status } = error;
  const codes = error.diagnostics.map(({ code }) => code);
  const words = [error.message, ...error.diagnostics.map(({ detail }) => JSON.stringify(detail) ?? "")].join(" ");
  const { name, registry } = repository;
  if (status === 413 || codes.includes("SIZE_INVALID"))
    return `${registry}, or a proxy before it, limits the size of a request's body (nginx: client_max_body_size); raise the limit.`;
  if (status === 507 || ((status ?? 0) >= 400 && QUOTA.test(words)))
    return `Make room in ${registry}, or raise the quota of ${name}.`;
  if (error.code === DENIED)
    return `Give credentials that may push to ${name}, in CNB_REGISTRY_AUTH or docker's config.json.`;
  if (error.code === NOT_FOUND && codes.includes("NAME_UNKNOWN"))
    return `Create ${name} first: ${registry} does not do that by itself.`;
  if (status === 405 || status === 501 || codes.includes("UNSUPPORTED"))
    return `Does ${registry} take pushes? Mirrors and caches do not.`;
  if (codes.includes("DIGEST_INVALID"))
    return `What ${registry} got is not what was sent: look for a proxy that changes requests, or for a damaged disk.`;
  if (codes.includes("MANIFEST_INVALID") || status === 415)
    return `${registry} does not take this kind of manifest or layer; its media types come from the run image and -compression.`;
  return undefined;
}
