import type { Clock } from "../../concurrency/clock.ts";
import { fullJitter, type RetryPolicy } from "../../concurrency/retry.ts";
import { Fault, type FaultCode } from "../../errors/fault.ts";
import { askedWaitMs, DENIED, isTemporary, NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import type { Timeouts } from "../../http/http.ts";
import { isSha256 } from "../../oci/digest.ts";
import type { Repository } from "../../oci/reference.ts";

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
  const hint = refusal?.hint ?? error.ownHint ?? advice(error, target) ?? error.hint;
  const sentences = [hint, `(${about})`].filter((text) => text !== undefined);
  return error.withHint(sentences.join(" "), target.repository.name, refusal?.code);
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

function advice(error: RegistryFault, { repository, what, isOverwrite = false }: RequestTarget): string | undefined {
  const { status } = error;
  const codes = error.diagnostics.map(({ code }) => code);
  const { name, registry } = repository;
  if (status === 301 || status === 302 || status === 303)
    return `Push to the address that ${registry} redirects to, or let it answer with 307 or 308, which keep the method of a request.`;
  if (status === 413 || codes.includes("SIZE_INVALID"))
    return `${registry}, or a proxy in front of it, limits the size of request bodies (nginx: client_max_body_size); raise the limit.`;
  if (status === 507 || ((status ?? 0) >= 400 && QUOTA.test(describe(error))))
    return `Make room in ${registry}, or raise the quota of ${name}.`;
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

/** Milliseconds; a host that has never answered is more likely a wrong name than a registry that will recover. */
const STRANGER_BUDGET_MS = 5000;

export function pushRetry({ firstWaitMs, longestWaitMs, budgetMs }: Timeouts, clock: Clock): RetryPolicy {
  return {
    waitMs: fullJitter(firstWaitMs, longestWaitMs),
    budgetMs,
    shortBudgetMs: (error) => (isStranger(error) ? STRANGER_BUDGET_MS : undefined),
    silentMs: (error) => (error instanceof RegistryFault ? error.silentMs : 0),
    isTemporary,
    askedWaitMs,
    clock,
  };
}

function isStranger(error: unknown): boolean {
  return error instanceof RegistryFault && error.isStranger;
}

/** The reference's waits between attempts to open the run image (docs/compatibility.md#retries), in ms. */
const OPEN_WAITS_MS = [100, 200, 500, 1000, 2000];

export const OPEN_TRIES = OPEN_WAITS_MS.length + 1;

/**
 * Retry policy for opening images: the reference's attempts, then more within the budget, because the finished build is
 * worth it. Like the reference it also retries errors that may be a mirror's or a proxy's (docs/compatibility.md#retries).
 * @param mayBeMissing accept a definite "not found" without retrying
 * @returns a factory of policies, one per image
 */
export function openRetry(timeouts: Timeouts, clock: Clock): (mayBeMissing: boolean) => RetryPolicy {
  const policy = pushRetry(timeouts, clock);
  return (mayBeMissing) => {
    let failures = 0;
    const mayPass = (error: unknown) => mayBeTransient(error) && !(mayBeMissing && isExplained404(error));
    return {
      ...policy,
      waitMs: (next) => OPEN_WAITS_MS[next - 2] ?? policy.waitMs(next),
      isTemporary: (error) => isTemporary(error) || (mayPass(error) && ++failures < OPEN_TRIES),
    };
  };
}

function isExplained404(error: unknown): boolean {
  return error instanceof RegistryFault && error.code === NOT_FOUND && error.diagnostics.length > 0;
}

/** The statuses that the reference does not retry, and that of a proxy that requires a login. */
const FINAL_REFUSALS = new Set([400, 401, 403, 405, 407]);

/** Codes of invalid responses, which may be those of a proxy instead of the registry. */
const WRONG_RESPONSES = new Set<FaultCode>([
  "EXPORT_AUTH_TOKEN",
  "EXPORT_IMAGE_MANIFEST",
  "EXPORT_REGISTRY_DIGEST",
  "EXPORT_REGISTRY_REDIRECT",
]);

/** A proxy may answer with a page of its own, whatever the status, and a mirror may lag behind. */
function mayBeTransient(error: unknown): boolean {
  if (!(error instanceof Fault)) return false;
  if (!(error instanceof RegistryFault)) return WRONG_RESPONSES.has(error.code);
  const { status, diagnostics } = error;
  if (status === undefined || FINAL_REFUSALS.has(status)) return false;
  return !diagnostics.some(({ code }) => code === "NAME_UNKNOWN");
}
