import { Fault, type FaultCode } from "../../errors/fault.ts";
import { DENIED, NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import { isSha256 } from "../../oci/digest.ts";
import type { Repository } from "../../oci/reference.ts";

/** Codes of plain faults that a registry, its token server or a proxy causes. */
const PUSH_FAULTS = new Set<FaultCode>([
  "EXPORT_AUTH_REALM",
  "EXPORT_AUTH_TOKEN",
  "EXPORT_REGISTRY_PROTOCOL",
  "EXPORT_REGISTRY_PROXY",
  "EXPORT_REGISTRY_REDIRECT",
  "EXPORT_REGISTRY_TOO_LARGE",
]);

/** True if an error prevents pushes to one repository only, false if the image cannot be built. */
export function isPushFault(error: unknown): error is Fault {
  return error instanceof RegistryFault || (error instanceof Fault && PUSH_FAULTS.has(error.code));
}

export interface RequestTarget {
  readonly repository: Repository;
  readonly what: string;
  readonly isOverwrite?: boolean;
}

const QUOTA = /quota|storage limit|exceed|insufficient storage|payment/i;

export function explained(error: unknown, target: RequestTarget): unknown {
  if (!(error instanceof RegistryFault)) return error;
  const { status } = error;
  const about = `${status === undefined ? "no answer" : `HTTP ${status}`} for ${target.what} of ${target.repository.name}`;
  const refusal = nameRefusal(error, target);
  // The own hint of a temporary error, how often the request was tried, is enough; that of a refusal is not.
  const advised = error.isTemporary && error.ownHint !== undefined ? undefined : advice(error, target);
  const own = [advised, bodyLimitHint(error), error.ownHint].filter((text) => text !== undefined).join(" ");
  const hint = refusal?.hint ?? (own === "" ? error.hint : own);
  const sentences = [hint, `(${about})`].filter((text) => text !== undefined);
  return error.withHint(sentences.join(" "), target.repository.name, refusal?.code);
}

/** Some proxies, such as Caddy, forward a body while they receive it, and answer 502 if it exceeds their limit. */
function bodyLimitHint({ status, message, destination }: RegistryFault): string | undefined {
  return status === 502 && /^(?:PATCH|PUT) \S+\/blobs\/uploads\//.test(message)
    ? `If only large blobs fail, raise the limit for request bodies of the proxy in front of ${destination}.`
    : undefined;
}

export function pullHint({ name }: Repository): string {
  return `Give credentials that may pull from ${name}, in CNB_REGISTRY_AUTH or docker's config.json.`;
}

const IMMUTABLE =
  /immutab|overwr|already exists|protected tag|tag is protected|cannot be (?:changed|updated|modified)/i;

function nameRefusal(
  error: RegistryFault,
  { repository, what }: RequestTarget,
): { code: FaultCode; hint: string } | undefined {
  const { status = 0, message, diagnostics } = error;
  const name = /^manifest (?<name>.+)$/.exec(what)?.groups?.name;
  if (name === undefined || !message.startsWith("PUT ") || error.isTemporary) return undefined;
  const codes = diagnostics.map(({ code }) => code);
  if (isSha256(name))
    return status === 404 || error.code === DENIED
      ? undefined
      : {
          code: "EXPORT_INPUT_REFERENCE",
          hint: `Name the image by a tag, e.g. ${repository.name}:latest: a new image cannot have a digest chosen in advance.`,
        };
  const isForbidden = codes.includes("TAG_INVALID") || status === 409 || status === 412;
  const isRefused = status === 400 || status === 403 || status === 405;
  if (!isForbidden && !(isRefused && IMMUTABLE.test(describe(error)))) return undefined;
  if (codes.includes("MANIFEST_BLOB_UNKNOWN")) return undefined;
  return {
    code: "EXPORT_REGISTRY_IMMUTABLE",
    hint: `The tag ${name} of ${repository.name} is immutable: use another tag, or allow overwriting in the settings of ${repository.registry}.`,
  };
}

function describe({ message, diagnostics }: RegistryFault): string {
  return [message, ...diagnostics.map(({ detail }) => JSON.stringify(detail) ?? "")].join(" ");
}

const EMPTY_COMPONENT = /^\/|\/\/|\/$/;

function advice(error: RegistryFault, { repository, what, isOverwrite = false }: RequestTarget): string | undefined {
  const { status } = error;
  const codes = error.diagnostics.map(({ code }) => code);
  const { name, registry } = repository;
  const host = error.isElsewhere ? (error.destination ?? registry) : registry;
  const isMoved = status === 301 || status === 302 || status === 303;
  if (EMPTY_COMPONENT.test(repository.path) && (isMoved || status === 400 || status === 404))
    return `Leave out the empty part of ${name}: the variable that it comes from may be empty.`;
  if (isMoved)
    return `Push to the address that ${registry} redirects to, or configure it to answer with 307 or 308, which keep the method of a request.`;
  if (status === 413 || codes.includes("SIZE_INVALID"))
    return `${host}, or a proxy in front of it, limits the size of request bodies (nginx: client_max_body_size); raise the limit.`;
  if (status === 507 || ((status ?? 0) >= 400 && QUOTA.test(describe(error))))
    return `Make room in ${host}, or raise the quota of ${name}.`;
  if (error.code === DENIED && error.isElsewhere)
    return `${host} refuses what ${registry} permits: check its log, the clocks of both (signed URLs expire), and that no proxy changes the URL.`;
  // The registry accepted the blobs, so the credentials allow pushes.
  if (error.code === DENIED && isOverwrite)
    return `Give credentials that may overwrite ${what} of ${name}; if the tag is immutable, use another tag, or allow overwriting.`;
  if (error.code === DENIED)
    return `Give credentials that may push to ${name}, in CNB_REGISTRY_AUTH or docker's config.json.`;
  if (error.code === NOT_FOUND && codes.includes("NAME_UNKNOWN"))
    return `Create ${name} first: ${registry} does not create repositories automatically.`;
  if (status === 405 || status === 501 || codes.includes("UNSUPPORTED"))
    return `Push to the registry itself: ${registry} accepts no pushes, like a mirror or a pull-through cache.`;
  if (codes.includes("DIGEST_INVALID"))
    return `The data was altered on its way to ${registry}: look for a proxy that changes requests, or for a damaged disk.`;
  if (codes.includes("MANIFEST_INVALID") || status === 415)
    return `${registry} does not accept this kind of manifest or layer; its media types come from the run image and -compression.`;
  return undefined;
}
