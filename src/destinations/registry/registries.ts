import type { Keychain } from "../../auth/keychain.ts";
import { BackgroundGate } from "../../concurrency/background-gate.ts";
import { type Clock, SYSTEM_CLOCK, settledWithin } from "../../concurrency/clock.ts";
import { PriorityLimiter } from "../../concurrency/limiter.ts";
import { Http, type HttpOptions, type Timeouts } from "../../http/http.ts";
import type { Logger } from "../../logger.ts";
import type { Reference } from "../../oci/reference.ts";
import type { Environment } from "../../process/environment.ts";
import { RegistryClient } from "./client.ts";
import type { RegistryCounters, RetryObserver, UploadCapabilities } from "./connection.ts";
import { RegistryRepository } from "./repository.ts";
import { openRetry, pushRetry } from "./retries.ts";
import { RetryNotices } from "./retry-notices.ts";
import { CANCEL_TIMEOUT_MS } from "./upload-requests.ts";

/** `connections` must exceed `uploadConcurrency`. */
export interface RegistriesOptions extends HttpOptions {
  readonly keychain: Keychain;
  readonly insecureRegistries: readonly string[];
  readonly uploadConcurrency: number;
  readonly environment: Environment;
  readonly logger: Logger;
  readonly onRetry?: RetryObserver;
}

interface Registry {
  readonly client: RegistryClient;
  readonly uploads: PriorityLimiter;
  readonly capabilities: UploadCapabilities;
  readonly notices: RetryNotices;
}

/**
 * All registries of one export: connections, tokens and limits. App image, cache image, run image and previous image
 * share them, so that each registry sees one login and one upload limit.
 */
export class Registries {
  readonly counters: RegistryCounters = { uploads: 0, resentBytes: 0, mounts: 0, existing: 0, retries: 0 };
  readonly #options: RegistriesOptions;
  readonly #timeouts: Timeouts;
  readonly #clock: Clock;
  readonly #http: Http;
  readonly #gate: BackgroundGate;
  readonly #registries = new Map<string, Registry>();
  readonly #repositories = new Map<string, RegistryRepository>();
  readonly #attempts = new Set<Promise<unknown>>();

  constructor(options: RegistriesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#gate = new BackgroundGate(this.#clock);
    this.#http = new Http(options.environment, options);
    this.#timeouts = this.#http.timeouts;
  }

  /** @param primary its name decides whether the registry is insecure: the first of an image's tags */
  repository(reference: Reference, primary: Reference = reference): RegistryRepository {
    const isInsecure = this.#options.insecureRegistries.some((prefix) => primary.original.startsWith(prefix));
    const key = `${isInsecure} ${reference.repository.name}`;
    const known = this.#repositories.get(key);
    if (known !== undefined) return known;
    const repository = new RegistryRepository({
      ...this.#registry(reference.registry, isInsecure),
      repository: reference.repository,
      attempts: this.#attempts,
      gate: this.#gate,
      timeouts: this.#timeouts,
      pushRetry: pushRetry(this.#timeouts, this.#clock),
      openRetry: openRetry(this.#timeouts, this.#clock),
      logger: this.#options.logger,
      counters: this.counters,
      onRetry: this.#options.onRetry,
    });
    this.#repositories.set(key, repository);
    return repository;
  }

  get isAppAhead(): boolean {
    return this.#gate.isForegroundAhead;
  }

  onAppReady(): void {
    this.#gate.endForeground();
  }

  get waitingUploads(): number {
    return [...this.#registries.values()].reduce((sum, { uploads }) => sum + uploads.waiting, 0);
  }

  /** Closes all connections after a moment for canceling aborted uploads. Work in progress fails. */
  async close(): Promise<void> {
    const attempts = Promise.allSettled(this.#attempts);
    if (this.#attempts.size > 0) await settledWithin(CANCEL_TIMEOUT_MS, attempts, this.#clock);
    await this.#http.close();
  }

  #registry(name: string, isInsecure: boolean): Registry {
    const key = `${isInsecure} ${name}`;
    const known = this.#registries.get(key);
    if (known !== undefined) return known;
    const address = { http: this.#http, registry: name, isInsecure };
    const registry = {
      client: new RegistryClient(address, () => this.#options.keychain.credentialsFor(name)),
      uploads: new PriorityLimiter(this.#options.uploadConcurrency),
      capabilities: { isMonolithic: false, needsLength: false },
      notices: new RetryNotices(this.#clock, this.#options.logger),
    };
    this.#registries.set(key, registry);
    return registry;
  }
}
