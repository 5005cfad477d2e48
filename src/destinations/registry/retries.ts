import type { Clock } from "../../concurrency/clock.ts";
import { fullJitter, type RetryHooks, type RetryPolicy, retrying } from "../../concurrency/retry.ts";
import { Fault, type FaultCode, messageOf } from "../../errors/fault.ts";
import { askedWaitMs, isTemporary, NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import type { Timeouts } from "../../http/http.ts";
import type { Connection, RequestOptions } from "./connection.ts";
import { explained } from "./refusals.ts";

/** Milliseconds; a host that has never answered is more likely a wrong name than a registry that will recover. */
const UNANSWERED_BUDGET_MS = 5000;

export function pushRetry({ firstWaitMs, longestWaitMs, budgetMs }: Timeouts, clock: Clock): RetryPolicy {
  return {
    waitMs: fullJitter(firstWaitMs, longestWaitMs),
    budgetMs,
    shortBudgetMs: (error) => (hasNeverAnswered(error) ? UNANSWERED_BUDGET_MS : undefined),
    silentMs: (error) => (error instanceof RegistryFault ? error.silentMs : 0),
    isTemporary,
    askedWaitMs,
    clock,
  };
}

function hasNeverAnswered(error: unknown): boolean {
  return error instanceof RegistryFault && error.hasNeverAnswered;
}

/** The reference's waits between attempts to open the run image (docs/compatibility.md#retries), in ms. */
const OPEN_WAITS_MS = [100, 200, 500, 1000, 2000];

export const OPEN_TRIES = OPEN_WAITS_MS.length + 1;

/**
 * Retry policy for opening images: the reference's attempts, then more within the budget, because the finished build is
 * worth it. Like the reference it also retries errors that may be a mirror's or a proxy's
 * (docs/compatibility.md#retries).
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

/** Codes of invalid responses to a pull, which a proxy may have given instead of the registry. */
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

/**
 * Runs a request, with retries within the budget.
 * @param what names the blob or manifest in the final error's hint
 */
export async function withRetries<T>(
  connection: Connection,
  options: RequestOptions,
  what: string,
  task: () => Promise<T>,
  isOverwrite = () => false,
): Promise<T> {
  try {
    return await retrying(connection.pushRetry, task, retryHooks(connection, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    throw explained(error, { repository: connection.repository, what, isOverwrite: isOverwrite() });
  }
}

export function retryHooks(
  connection: Connection,
  { signal, onRetry = connection.onRetry }: RequestOptions,
): RetryHooks {
  const { counters, pushRetry, notices } = connection;
  return {
    signal,
    onRetry: (error, { count }, waitMs) => {
      counters.retries += 1;
      onRetry?.(error, waitMs);
      notices.log(`${messageOf(error)}, retrying in ${formatWait(waitMs)}`, count);
    },
    onGiveUp: (error, { count, sinceMs }) => {
      if (!(error instanceof RegistryFault)) return error;
      const { retryAfterMs = 0, destination } = error;
      if (sinceMs + retryAfterMs > pushRetry.budgetMs && retryAfterMs > 0)
        return error.withHint(`It asks to wait ${formatWait(retryAfterMs)}, longer than -retry-budget allows.`);
      const tries = count === 1 ? "once" : `${count} times in ${formatWait(sinceMs)}`;
      const reason = error.hasNeverAnswered ? `${destination} has never answered` : "-retry-budget says for how long";
      return error.withAnotherHint(`Tried ${tries}; ${reason}.`);
    },
  };
}

/** Formats like Go, rounded to tenths below a minute and to seconds above: `100ms`, `1.5s`, `5m0s`. */
export function formatWait(waitMs: number): string {
  const [tenths, seconds] = [Math.round(waitMs / 100), Math.round(waitMs / 1000)];
  if (Math.round(waitMs) < 1000) return `${Math.round(waitMs)}ms`;
  if (tenths < 600) return `${tenths / 10}s`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return `${hours > 0 ? `${hours}h` : ""}${minutes}m${seconds % 60}s`;
}
