import { readAnalyzed } from "../build-output/analyzed.ts";
import { readBuildpackLayers } from "../build-output/buildpack-layers.ts";
import { readGroup } from "../build-output/group.ts";
import type { GroupElement } from "../cnb/build-metadata.ts";
import { type Clock, SYSTEM_CLOCK, settledWithin, threadClock } from "../concurrency/clock.ts";
import { awaitedLater } from "../concurrency/task-scope.ts";
import type { RetryObserver } from "../destinations/registry/connection.ts";
import type { Registries } from "../destinations/registry/registries.ts";
import type { EarlyBuilder } from "../engine/early-builder.ts";
import { messageOf } from "../errors/fault.ts";
import { type Capacity, fitCapacity } from "../export/capacity.ts";
import { connectRegistries, type EarlyWork, type ExportDependencies, type StartedThreads } from "../export/setup.ts";
import type { Logger } from "../logger.ts";
import type { EarlierSpan } from "../observe/timeline/timeline.ts";
import { parseReference } from "../oci/reference.ts";
import { type Analyzed, type BuildpackLayer, cacheKind, destinationKind, type ExportSettings } from "../plan/inputs.ts";
import { APP_PRIORITY, CACHE_PRIORITY, layerKey } from "../plan/layers.ts";
import { directorySource, recordOf } from "../plan/steps.ts";
import { lowerThreads } from "../process/priority.ts";
import { BufferedLogger } from "./buffered-logger.ts";
import { type EarlyPlan, type StampedBuild, startEarlyLayer, verifyEarlyLayer } from "./early-layer.ts";
import { EarlyLayerStore } from "./early-layer-store.ts";
import { EarlyThreads } from "./early-threads.ts";
import { EarlyUploads } from "./early-uploads.ts";
import { FinishedBuildpacks } from "./finished-buildpacks.ts";
import { warmConnections } from "./warm-up.ts";

const POLL_INTERVAL_MS = 250;

const CLOSE_TIMEOUT_MS = 1000;

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;

interface Candidate extends EarlyPlan {
  readonly dueMs: number;
  readonly retryMs: number;
}

export interface EarlyOptions extends ExportDependencies {
  readonly settings: ExportSettings;
  readonly mode: "upload" | "compress";
}

/** Opened with the first layer, so that a build without any pays nothing. */
interface EarlyResources {
  readonly analyzed: Analyzed;
  readonly threads: EarlyThreads;
  readonly registries: Registries | undefined;
  readonly uploads: EarlyUploads | undefined;
}

/**
 * Builds layers of finished buildpacks while the builder runs (docs/decisions/0012-early-export.md). Nothing here can
 * fail the build or the export: a layer that cannot be built early is built in its turn.
 *
 * During the build threads have the lowest priority (src/process/priority.ts). Work runs on half of the cores, one
 * layer at a time, and pauses while memory or disk are short.
 */
export class EarlyExport implements EarlyWork {
  readonly layers = new EarlyLayerStore();
  readonly spans: EarlierSpan[] = [];
  readonly #options: EarlyOptions;
  readonly #clock: Clock;
  readonly #logger = new BufferedLogger();
  readonly #ended = new AbortController();
  #onRetry: RetryObserver | undefined;
  #resources: EarlyResources | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: EarlyOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  get registries(): Registries | undefined {
    return this.#resources?.registries;
  }

  startThreads(): StartedThreads | undefined {
    return this.#resources?.threads.start();
  }

  watch(builderPid: number): void {
    this.#running = awaitedLater(
      this.#run(builderPid).catch((error: unknown) => {
        if (!this.#ended.signal.aborted) this.#logger.debug(`Not exporting layers early: ${messageOf(error)}`);
      }),
    );
  }

  /**
   * Call when the builder has ended: begins no more layers. One in progress, which the export may claim, is finished;
   * uploads continue.
   */
  end(): void {
    this.#ended.abort();
    this.#resources?.threads.liftLimit();
  }

  handOver(logger: Logger, onRetry: RetryObserver): void {
    this.#logger.release(logger);
    this.#onRetry = onRetry;
    this.#resources?.uploads?.handOver();
  }

  /**
   * Cancels uploads and frees unclaimed layers. Threads that do not end within {@link CLOSE_TIMEOUT_MS} end with the
   * process.
   */
  async close(): Promise<void> {
    this.end();
    this.layers.close();
    await Promise.all([this.registries?.close(), this.#resources?.threads.close()]);
    await settledWithin(CLOSE_TIMEOUT_MS, this.#running, this.#clock);
  }

  async #keepPriorityLow(): Promise<never> {
    for (;;) {
      lowerThreads();
      await this.#clock.wait(POLL_INTERVAL_MS, this.#ended.signal);
    }
  }

  async #run(builderPid: number): Promise<void> {
    const { settings } = this.#options;
    const { signal } = this.#ended;
    const capacity = fitCapacity(settings.tuning);
    const finished = new FinishedBuildpacks(await readGroup(settings.groupPath), settings.layersDir);
    let waiting: Candidate[] = [];
    let isPrepared = false;
    for (;;) {
      await this.#clock.wait(POLL_INTERVAL_MS, signal);
      await this.#resources?.threads.dismissDead();
      for (const buildpack of finished.next(builderPid)) {
        const { layers } = await readBuildpackLayers(settings.layersDir, buildpack);
        this.#resources ??= await this.#openResources(capacity);
        waiting.push(...this.#candidates(buildpack, layers, this.#resources.analyzed));
      }
      const resources = this.#resources;
      if (resources === undefined) continue;
      signal.throwIfAborted();
      const due = waiting.filter(({ dueMs }) => dueMs <= this.#clock.now());
      const retries = due.length === 0 ? [] : await this.#buildAll(due, resources, builderPid);
      waiting = [...waiting.filter((candidate) => !due.includes(candidate)), ...retries];
      // Not earlier: a build that leaves no time for layers has none for this either.
      if (isPrepared || waiting.length > 0) continue;
      isPrepared = true;
      this.#prepareExport(resources);
    }
  }

  /** Spares the export the start of its connections, and of its threads if there were no layers. */
  #prepareExport({ analyzed, threads, registries }: EarlyResources): void {
    const { settings } = this.#options;
    const { signal } = this.#ended;
    signal.throwIfAborted();
    threads.start();
    if (registries !== undefined) void warmConnections(registries, settings, analyzed, signal);
  }

  #candidates(buildpack: GroupElement, layers: readonly BuildpackLayer[], { metadata }: Analyzed): Candidate[] {
    const { settings } = this.#options;
    const hasBlobs = destinationKind(settings) === "registry";
    const hasCache = cacheKind(settings) !== "none";
    return layers
      .filter(({ launch, cache, hasContents }) => (launch || (cache && hasCache)) && hasContents)
      .map(({ id, name, path, launch }) => {
        const record = launch ? recordOf(metadata.buildpacks, buildpack.id, name) : undefined;
        return {
          id,
          source: directorySource(path, settings),
          expected: record === undefined ? [] : [record.diffId],
          blob: launch && hasBlobs,
          priority: launch ? APP_PRIORITY : CACHE_PRIORITY,
          dueMs: this.#clock.now(),
          retryMs: FIRST_RETRY_MS,
        };
      });
  }

  async #buildAll(due: readonly Candidate[], { threads }: EarlyResources, session: number): Promise<Candidate[]> {
    const { signal } = this.#ended;
    const context = { spoolDir: this.#options.settings.tuning.spoolDir, session };
    const builder = threads.startBuilder();
    signal.throwIfAborted();
    if (builder === undefined) {
      this.#logger.debug("Not exporting layers early yet: memory or a limit of the process does not allow all workers");
      return due.map((candidate) => this.#postponed(candidate));
    }
    const retries: Candidate[] = [];
    for (const candidate of due) {
      const startMs = threadClock();
      const start = await startEarlyLayer(builder, candidate, context, signal);
      const refused = start.kind === "started" ? await this.#build(candidate, start.build, builder, startMs) : start;
      if (refused === undefined) continue;
      this.#logger.debug(`Not exporting layer '${candidate.id}' early: ${refused.reason}`);
      if (refused.kind === "retry") retries.push(this.#postponed(candidate));
    }
    return retries;
  }

  async #build(
    candidate: Candidate,
    build: StampedBuild,
    builder: EarlyBuilder,
    startMs: number,
  ): Promise<{ readonly kind: "retry"; readonly reason: string } | undefined> {
    const { id, source } = candidate;
    const key = layerKey(source);
    this.layers.add(key, build, (blob) => this.#resources?.uploads?.start(blob));
    const built = await build.layer.catch(() => undefined);
    if (built !== undefined) this.spans.push({ kind: "layer", name: id, startMs, endMs: threadClock() });
    const reason = await verifyEarlyLayer(builder, candidate, build, this.#ended.signal);
    if (reason !== undefined) {
      this.layers.drop(key);
      return { kind: "retry", reason };
    }
    this.layers.markReady(key);
    return undefined;
  }

  #postponed(candidate: Candidate): Candidate {
    const { retryMs } = candidate;
    return { ...candidate, dueMs: this.#clock.now() + retryMs, retryMs: Math.min(2 * retryMs, MAX_RETRY_MS) };
  }

  async #openResources(capacity: Capacity): Promise<EarlyResources> {
    const { settings, mode } = this.#options;
    const analyzed = await readAnalyzed(settings.analyzedPath, this.#logger);
    this.#ended.signal.throwIfAborted();
    const threads = new EarlyThreads(settings.tuning, capacity, (error) => {
      // Each try takes threads that the build may need. The export reports the limit.
      this.#logger.debug(`Not exporting layers early: ${messageOf(error)}`);
      this.end();
    });
    void awaitedLater(this.#keepPriorityLow());
    if (mode !== "upload" || destinationKind(settings) !== "registry")
      return { analyzed, threads, registries: undefined, uploads: undefined };
    const onRetry: RetryObserver = (error, waitMs) => this.#onRetry?.(error, waitMs);
    const registries = connectRegistries(settings, capacity, { ...this.#options, logger: this.#logger, onRetry });
    const uploads = new EarlyUploads(registries.repository(parseReference(settings.outputImage)), this.#logger);
    return { analyzed, threads, registries, uploads };
  }
}
