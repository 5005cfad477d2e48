import type { BackgroundGate } from "../../flow/background-gate.ts";
import type { Logger } from "../../flow/logger.ts";
import type { PriorityLimiter } from "../../flow/priority-limiter.ts";
import { type RetryHooks, type RetryPolicy, retrying } from "../../flow/retry.ts";
import type { Repository } from "../../oci/reference.ts";
import type { RegistryClient } from "../../transport/registry-client.ts";

/** How urgent a piece of work is, and what stops it. */
export interface Work {
  /** The smaller goes first at every queue: the app image before the cache image. */
  readonly priority: number;
  /** Position among equals. */
  readonly order?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** True for work that must not slow down other work: whatever does not have the highest priority, 0. */
export function isBackground({ priority }: Work): boolean {
  return priority > 0;
}

/** How often each thing was done for all repositories of an export. */
export interface RegistryCounters {
  /** Blobs whose bytes were sent to the end. */
  uploads: number;
  /** Bytes of bodies that were sent again after a failure. */
  resentBytes: number;
  mounts: number;
  /** Blobs that the repository had already. */
  existing: number;
  /** Blob or manifest operations that were tried again. */
  retries: number;
}

/** What every operation on one repository needs. */
export interface Connection {
  readonly client: RegistryClient;
  readonly repository: Repository;
  /** Uploads in flight at this registry. */
  readonly uploads: PriorityLimiter;
  /** Keeps background uploads to any registry from slowing down the others. */
  readonly gate: BackgroundGate;
  readonly pushRetry: RetryPolicy;
  readonly openRetry: RetryPolicy;
  readonly logger: Logger;
  readonly counters: RegistryCounters;
}

/** The path of a repository's blobs, manifests or uploads (distribution-spec v1.1.1, "Endpoints"). */
export function pathOf({ repository }: Connection, rest: string): string {
  return `/v2/${repository.path}/${rest}`;
}

/** The token scope for actions on a repository: `pull`, `push,pull` or `push,pull,delete`. */
export function scopeOf({ path }: Repository, actions: "pull" | "push,pull" | "push,pull,delete"): string {
  return `repository:${path}:${actions}`;
}

/** Runs one request of a push until it succeeds or the policy for pushes gives up. */
export function persist<T>(connection: Connection, work: Work, task: () => Promise<T>): Promise<T> {
  return retrying(connection.pushRetry, task, retryHooks(connection, work));
}

/** Counts and reports every repetition. */
export function retryHooks({ counters, logger }: Connection, { signal }: Work): RetryHooks {
  return {
    signal,
    onRetry: (error, _failed, waitMs) => {
      counters.retries += 1;
      logger.warn(`${error instanceof Error ? error.message : error}, retrying in ${formatWait(waitMs)}`);
    },
  };
}

/** A duration as Go prints it: `100ms`, `1.5s`. */
export function formatWait(waitMs: number): string {
  return waitMs < 1000 ? `${Math.round(waitMs)}ms` : `${Math.round(waitMs / 100) / 10}s`;
}
