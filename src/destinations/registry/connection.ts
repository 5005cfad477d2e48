import type { BackgroundGate } from "../../concurrency/background-gate.ts";
import type { Clock } from "../../concurrency/clock.ts";
import type { PriorityLimiter } from "../../concurrency/limiter.ts";
import { type RetryHooks, type RetryPolicy, retrying } from "../../concurrency/retry.ts";
import { messageOf } from "../../errors/fault.ts";
import { RegistryFault } from "../../http/faults.ts";
import type { Timeouts } from "../../http/http.ts";
import type { Logger } from "../../logger.ts";
import type { Repository } from "../../oci/reference.ts";
import type { RegistryClient } from "./client.ts";
import { explained } from "./retries.ts";

/** Deviations of a registry from streamed PATCH uploads, learned from the first refused upload. */
export interface UploadCapabilities {
  isMonolithic: boolean;
  needsLength: boolean;
}

const INTERVAL_MS = 10_000;

/**
 * Throttles retry warnings: the first failure of each request is logged, further ones every ten seconds, because all
 * requests fail many times at once while a registry is down.
 */
export class RetryNotices {
  readonly #clock: Clock;
  #warnedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isDue(count: number): boolean {
    const nowMs = this.#clock.now();
    if (count > 1 && nowMs - this.#warnedMs < INTERVAL_MS) return false;
    this.#warnedMs = nowMs;
    return true;
  }
}

export interface Work {
  /** Lower goes first in every queue: the app image before the cache image. */
  readonly priority: number;
  readonly order?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: RetryObserver | undefined;
}

export type RetryObserver = (error: unknown, waitMs: number) => void;

export interface RegistryCounters {
  uploads: number;
  resentBytes: number;
  mounts: number;
  existing: number;
  retries: number;
}

export interface Connection {
  readonly client: RegistryClient;
  readonly repository: Repository;
  readonly uploads: PriorityLimiter;
  readonly tries: Set<Promise<unknown>>;
  readonly gate: BackgroundGate;
  readonly capabilities: UploadCapabilities;
  readonly timeouts: Timeouts;
  readonly notices: RetryNotices;
  readonly pushRetry: RetryPolicy;
  readonly openRetry: (mayBeMissing: boolean) => RetryPolicy;
  readonly logger: Logger;
  readonly counters: RegistryCounters;
  readonly onRetry: RetryObserver | undefined;
}

export function pathOf({ repository }: Connection, rest: string): string {
  return `/v2/${repository.path}/${rest}`;
}

export function scopeOf({ path }: Repository, actions: "pull" | "push,pull" | "push,pull,delete"): string {
  return `repository:${path}:${actions}`;
}

export async function persist<T>(
  connection: Connection,
  work: Work,
  what: string,
  task: () => Promise<T>,
  isOverwrite = () => false,
): Promise<T> {
  try {
    return await retrying(connection.pushRetry, task, retryHooks(connection, work));
  } catch (error) {
    work.signal?.throwIfAborted();
    throw explained(error, { repository: connection.repository, what, isOverwrite: isOverwrite() });
  }
}

export function retryHooks(connection: Connection, { signal, onRetry = connection.onRetry }: Work): RetryHooks {
  const { counters, logger, pushRetry, notices } = connection;
  return {
    signal,
    onRetry: (error, { count }, waitMs) => {
      counters.retries += 1;
      onRetry?.(error, waitMs);
      logger[notices.isDue(count) ? "warn" : "debug"](`${messageOf(error)}, retrying in ${formatWait(waitMs)}`);
    },
    onGiveUp: (error, { count, sinceMs }) => {
      if (!(error instanceof RegistryFault)) return error;
      const { retryAfterMs = 0 } = error;
      if (sinceMs + retryAfterMs > pushRetry.budgetMs && retryAfterMs > 0)
        return error.withHint(`It asks to wait ${formatWait(retryAfterMs)}, longer than -retry-budget allows.`);
      const tries = count === 1 ? "once" : `${count} times in ${formatWait(sinceMs)}`;
      const reason = error.isStranger ? `${error.destination} has never answered` : "-retry-budget says for how long";
      const retried = `Tried ${tries}; ${reason}.`;
      return error.withHint(error.ownHint === undefined ? retried : `${error.ownHint} ${retried}`);
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
