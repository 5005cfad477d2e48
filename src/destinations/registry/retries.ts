import type { Clock } from "../../concurrency/clock.ts";
import { fullJitter, type RetryPolicy } from "../../concurrency/retry.ts";
import { Fault } from "../../errors/fault.ts";
import { askedWaitMs, DENIED, isTemporary, NOT_FOUND, RegistryFault, UNREACHABLE } from "../../http/faults.ts";
import type { Patience } from "../../http/http.ts";
import type { Repository } from "../../oci/reference.ts";

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

/** For everything that a push or a clean-up asks. */
export function pushRetry({ firstWaitMs, longestWaitMs, budgetMs }: Patience, clock: Clock): RetryPolicy {
  return { waitMs: fullJitter(firstWaitMs, longestWaitMs), budgetMs, isTemporary, askedWaitMs, clock };
}

/** The reference's waits between attempts to open the run image (docs/compatibility.md#retries), in ms. */
const OPEN_WAITS_MS = [100, 200, 500, 1000, 2000];

/** Tries of the reference's, which counts them in its log. */
export const OPEN_TRIES = OPEN_WAITS_MS.length + 1;

/** No answer at the very beginning is more often a wrong name than a registry that will be back; ms. */
const NOBODY_THERE_MS = 10_000;

/**
 * For opening an image: the reference's attempts, then more within the budget, because the build to export cost more;
 * but only for errors that can be temporary (docs/compatibility.md#missing-run-image).
 */
export function openRetry(patience: Patience, clock: Clock): RetryPolicy {
  const policy = pushRetry(patience, clock);
  return {
    ...policy,
    waitMs: (next) => OPEN_WAITS_MS[next - 2] ?? policy.waitMs(next),
    shortBudgetMs: (error) => (isUnreachable(error) ? NOBODY_THERE_MS : undefined),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Fault && error.code === UNREACHABLE;
}
