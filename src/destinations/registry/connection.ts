import type { BackgroundGate } from "../../concurrency/background-gate.ts";
import type { PriorityLimiter } from "../../concurrency/limiter.ts";
import type { RetryPolicy } from "../../concurrency/retry.ts";
import type { Timeouts } from "../../http/http.ts";
import type { Logger } from "../../logger.ts";
import type { Repository } from "../../oci/reference.ts";
import type { RegistryClient } from "./client.ts";
import type { RetryNotices } from "./retry-notices.ts";

/** Deviations of a registry from streamed PATCH uploads, learned from the first refused upload. */
export interface UploadCapabilities {
  isMonolithic: boolean;
  needsLength: boolean;
}

/** Options shared by the requests of one operation: order in queues, cancellation, an observer of retries. */
export interface RequestOptions {
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
  /** Attempts to upload a blob that are in progress: an aborted one still has to cancel its upload. */
  readonly attempts: Set<Promise<unknown>>;
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
