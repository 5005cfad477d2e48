import { Fault, messageOf, withContext } from "../faults/fault.ts";
import { goQuote } from "../faults/go-quote.ts";
import type { Logger } from "../flow/logger.ts";
import { newLayerMediaType } from "../images/layer-media-type.ts";
import { logBuildpackDirectory } from "../inputs/buildpack-layers.ts";
import type { Layer } from "../layers/layer.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { DiffID } from "../oci/digest.ts";
import { OCI_MANIFEST } from "../oci/media-types.ts";
import { CACHE_PRIORITY } from "../plan/layer-plan.ts";
import type { CacheLayerStep, CachePlan, CacheStep } from "../plan/plan-cache.ts";
import { findLayer, type MadeContent } from "./app-destination.ts";
import type { AppLayer, AppLayers } from "./app-layers.ts";
import type { ExportContext } from "./context.ts";
import type { CacheImage } from "./open-cache-image.ts";
import { placeLayer, type RegistryContent } from "./registry-layer.ts";

/** A layer of the cache on its way to the cache image's repository. */
export interface CacheLayer {
  readonly step: CacheLayerStep;
  readonly diffId: DiffID;
  readonly isReused: boolean;
  readonly placed: Promise<Descriptor>;
}

/**
 * The cache's layers. Like the app's they all start at once, but behind those at every queue; what both images take comes
 * from the same pass, and within one registry from the app image's repository.
 */
export class CacheLayers {
  readonly #context: ExportContext;
  readonly #plan: CachePlan;
  readonly #cache: CacheImage;
  readonly #app: AppLayers;
  readonly #signal: AbortSignal;
  readonly #started = new Map<CacheLayerStep, Promise<CacheLayer>>();

  constructor(context: ExportContext, plan: CachePlan, cache: CacheImage, app: AppLayers, signal: AbortSignal) {
    this.#context = context;
    this.#plan = plan;
    this.#cache = cache;
    this.#app = app;
    this.#signal = signal;
    for (const step of plan.steps) {
      if (step.kind !== "layer") continue;
      const started = this.#start(step);
      started.catch(() => undefined);
      this.#started.set(step, started);
    }
  }

  /**
   * Waits for every layer in order, with the reference's log lines (contract 6.2, 6.5). A layer that cannot be made is left
   * out with a warning; for the SBOM layer that ends the cache export.
   */
  async walk(logger: Logger): Promise<CacheLayer[]> {
    const layers: CacheLayer[] = [];
    for (const step of this.#plan.steps) {
      announce(step, logger);
      if (step.kind !== "layer") continue;
      try {
        const layer = await (this.#started.get(step) as Promise<CacheLayer>);
        this.#log(layer, logger);
        layers.push(layer);
      } catch (error) {
        this.#signal.throwIfAborted();
        const fault = withContext(step.making, error);
        if (step.role.kind === "cache-sbom") throw fault;
        logger.warn(`Failed to cache layer '${step.id}': ${messageOf(fault)}`);
      }
    }
    return layers;
  }

  async #start(step: CacheLayerStep): Promise<CacheLayer> {
    const shared = this.#app.byKey(step.key);
    return await (shared === undefined ? this.#own(step) : this.#share(step, await shared));
  }

  /** A layer of the cache alone. */
  async #own(step: CacheLayerStep): Promise<CacheLayer> {
    const plan = this.#plan.layers.find(({ key }) => key === step.key);
    if (plan === undefined) throw new Fault("EXPORT_INTERNAL", `no layer is planned for ${step.id}`);
    const layer = this.#context.store.layer(plan, this.#signal);
    const made = this.#made(layer);
    const isStreamed = plan.expected.length === 0;
    const early = isStreamed ? this.#place(made, plan.order) : undefined;
    const diffId = await layer.diffId;
    const placed = early ?? this.#place(this.#known(diffId, made) ?? made, plan.order);
    releaseAfter(placed, layer);
    return { step, diffId, isReused: this.#isReused(step, diffId), placed };
  }

  /** A layer of the app image too: the old cache may have it, the app image's repository surely will. */
  async #share(step: CacheLayerStep, { diffId, content, placed }: AppLayer): Promise<CacheLayer> {
    const layer = content.kind === "made" ? content.layer : content.otherwise?.layer;
    if (layer === undefined) throw new Fault("EXPORT_INTERNAL", `layer ${step.id} has no contents to share`);
    const made = this.#made(layer);
    const { order } = layer.plan;
    const known = this.#known(diffId, made);
    const place = known === undefined ? this.#placeShared(made, content, placed) : this.#place(known, order);
    releaseAfter(place, layer);
    return { step, diffId, isReused: this.#isReused(step, diffId), placed: place };
  }

  /** In one registry the app's upload is awaited and mounted from; in two, both follow the blob as it grows. */
  async #placeShared(made: MadeContent, content: AppLayer["content"], inApp: Promise<Descriptor>): Promise<Descriptor> {
    const { order } = made.layer.plan;
    const { repository } = this.#cache;
    const { appRepository } = this.#context;
    if (appRepository?.registry === this.#cache.reference.registry) {
      const descriptor = await inApp;
      return await this.#place({ kind: "existing", descriptor, from: appRepository, otherwise: made }, order);
    }
    // A layer that the app image reused is not compressed for the cache if the cache's registry happens to have it.
    const isHere =
      content.kind === "existing" && (await repository.hasBlob(content.descriptor.digest, this.#work(order)));
    return isHere ? content.descriptor : await this.#place(made, order);
  }

  /** Where the old cache image has a layer with this diffID, under whatever name. */
  #known(diffId: DiffID, otherwise: MadeContent): RegistryContent | undefined {
    const descriptor = findLayer(this.#cache.previous, diffId);
    if (descriptor === undefined) return undefined;
    return { kind: "existing", descriptor, from: this.#cache.repository, otherwise };
  }

  #made(layer: Layer): MadeContent {
    const mediaType = newLayerMediaType(OCI_MANIFEST, this.#context.settings.tuning.compression);
    return { kind: "made", layer, mediaType: Promise.resolve(mediaType) };
  }

  #isReused({ previous }: CacheLayerStep, diffId: DiffID): boolean {
    return previous === diffId;
  }

  #work(order: number) {
    return { priority: CACHE_PRIORITY, order, signal: this.#signal };
  }

  #place(content: RegistryContent, order: number): Promise<Descriptor> {
    const placed = placeLayer(content, this.#cache.repository, this.#work(order));
    placed.catch(() => undefined);
    return placed;
  }

  #log({ step, diffId, isReused }: CacheLayer, logger: Logger): void {
    const { id } = step;
    const isMadeBefore = step.role.kind === "cache-sbom" || this.#app.byKey(step.key) !== undefined;
    if (isMadeBefore) logger.debug(`Reusing tarball for layer ${goQuote(id)} with SHA: ${diffId}`);
    // The reference says both of a reused layer (D1); here it is listed once all the same.
    for (const verb of isReused ? ["Reusing", "Adding"] : ["Adding"]) {
      logger.info(`${verb} cache layer '${id}'`);
      logger.debug(`Layer '${id}' SHA: ${diffId}`);
    }
  }
}

/** The cache needs a layer no longer once its blob is there. */
function releaseAfter(placed: Promise<Descriptor>, layer: Layer): void {
  placed.then(
    () => layer.release(),
    () => undefined,
  );
}

function announce(step: CacheStep, logger: Logger): void {
  if (step.kind === "buildpack") logBuildpackDirectory(step.layers, logger);
  else if (step.kind === "no-contents") logger.warn(`Failed to cache layer '${step.id}' because it has no contents`);
  else if (step.role.kind === "cache-sbom") logger.debug(`Found SBOM of type cache for at ${step.role.path}`);
}
