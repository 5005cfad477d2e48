import { UNREADABLE_CONTENTS } from "../../workers/protocol.ts";
import { logBuildpackDirectory } from "../build-output/buildpack-layers.ts";
import { awaitedLater, type TaskScope } from "../concurrency/task-scope.ts";
import {
  type AddedLayer,
  type BuiltContent,
  type ExistingContent,
  findLayer,
  type LayerContent,
  type RunImage,
  type SourceImage,
} from "../destinations/destination.ts";
import type { Layer } from "../engine/layer.ts";
import { Fault, withContext, withDefaultHint } from "../errors/fault.ts";
import { fromByteString } from "../go/byte-string.ts";
import { goQuote } from "../go/format.ts";
import { layerIn } from "../images/image.ts";
import type { Logger } from "../logger.ts";
import { type DiffID, isSha256, parseDiffId } from "../oci/digest.ts";
import { layerOf } from "../plan/layers.ts";
import {
  type AppLayerStep,
  type AppPlan,
  type AppStep,
  isLayerStep,
  type LayerStep,
  type ReuseStep,
} from "../plan/steps.ts";
import type { ExportContext } from "./context.ts";

export interface AppLayer extends AddedLayer {
  readonly step: LayerStep;
  readonly diffId: DiffID;
  readonly isReused: boolean;
}

export interface AppSources {
  readonly runImage: Promise<RunImage>;
  readonly previous: Promise<SourceImage | undefined>;
}

/**
 * The app image's layers in progress. All start at once; a layer with nothing to compare with is uploaded while it is
 * compressed (docs/decisions/0004-hash-first.md). {@link walk} then visits them in the reference's order and writes its
 * log (docs/compatibility.md#app-image-layers, docs/compatibility.md#log-order).
 */
export class AppLayers {
  readonly base: Promise<unknown>;
  readonly #context: ExportContext;
  readonly #plan: AppPlan;
  readonly #sources: AppSources;
  readonly #signal: AbortSignal;
  readonly #started = new Map<LayerStep, Promise<AppLayer>>();
  readonly #released = new Set<Layer>();

  constructor(context: ExportContext, plan: AppPlan, sources: AppSources, tasks: TaskScope) {
    this.#context = context;
    this.#plan = plan;
    this.#sources = sources;
    this.#signal = tasks.signal;
    for (const step of plan.steps) {
      if (!isLayerStep(step)) continue;
      this.#started.set(
        step,
        tasks.fork(() => (step.kind === "layer" ? this.#build(step) : this.#reuse(step))),
      );
    }
    this.base = tasks.fork(async (signal) => context.app.addBaseLayers(await sources.runImage, signal));
  }

  /** Call when the app image is saved: frees the layers that the cache does not share. */
  release(): void {
    for (const plan of this.#plan.layers) this.#release(this.#context.store.layer(plan, this.#signal));
  }

  byKey(key: string): Promise<AppLayer> | undefined {
    const step = this.#plan.steps.find((candidate) => candidate.kind === "layer" && candidate.key === key);
    return step?.kind === "layer" ? this.#started.get(step) : undefined;
  }

  async walk(logger: Logger): Promise<AppLayer[]> {
    const layers: AppLayer[] = [];
    for (const step of this.#plan.steps) {
      announce(step, logger);
      if (step.kind === "fault") throw step.fault;
      if (step.kind === "buildpack") continue;
      const layer = await this.#settled(step);
      layers.push(layer);
      if (step.role.kind === "app-slice") logSlice(step.role, layers, logger);
      // The reference does not log the layers of extensions.
      else if (step.role.kind !== "extension") logLayer(layer, logger);
    }
    return layers;
  }

  async #settled(step: LayerStep): Promise<AppLayer> {
    try {
      return await (this.#started.get(step) as Promise<AppLayer>);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw withContext(step.errorContext, withReadContext(step.role, error));
    }
  }

  async #build(step: AppLayerStep): Promise<AppLayer> {
    const { app, store, monitor } = this.#context;
    const plan = layerOf(this.#plan, step);
    const layer = store.layer(plan, this.#signal);
    // Awaited after the upload, or never if that fails.
    const mediaType = awaitedLater(this.#sources.runImage.then(({ newLayerMediaType }) => newLayerMediaType));
    const built = { kind: "built", layer, mediaType } as const;
    const add = (from: LayerContent<SourceImage>) => awaitedLater(app.addLayer(from, plan, this.#signal));
    const isStreamed = plan.expected.length === 0;
    const streamed = isStreamed ? add(built) : undefined;
    const diffId = await layer.diffId;
    const found = isStreamed ? undefined : await this.#find(diffId, built);
    const content = found ?? built;
    const isReused = found !== undefined && step.previous.includes(diffId);
    const added = streamed ?? add(content);
    const release = () => {
      if (!app.needsAgain(content)) this.#release(layer);
    };
    added.then(release, () => undefined);
    if (isReused) monitor.emit({ event: "layer-reused", id: step.id, image: "app", diffId });
    return { id: step.id, step, diffId, isReused, content, added };
  }

  #release(layer: Layer): void {
    if (this.#released.has(layer)) return;
    this.#released.add(layer);
    layer.release();
  }

  async #reuse(step: ReuseStep): Promise<AppLayer> {
    const { app, monitor } = this.#context;
    const { id } = step;
    const { runImage, previous } = this.#sources;
    const found = contentIn(await previous, step.diffId, await runImage, undefined);
    const content = found ?? (await this.#findCached(step.diffId));
    if (content === undefined)
      throw new Fault("EXPORT_PLAN_REUSE", `failed to get layer by diffID: unknown diffID ${step.diffId}`, {
        hint: "Build again without the previous image, so that the buildpack rebuilds the layer.",
      });
    const added = awaitedLater(app.addLayer(content, { id, order: 0 }, this.#signal));
    const diffId = parseDiffId(step.diffId);
    monitor.emit({ event: "layer-reused", id, image: "app", diffId });
    return { id, step, diffId, isReused: true, content, added };
  }

  async #findCached(diffId: string): Promise<ExistingContent<SourceImage> | undefined> {
    // From a label, and about to become part of a path.
    return isSha256(diffId) ? await this.#context.app.findCached(parseDiffId(diffId)) : undefined;
  }

  async #find(diffId: DiffID, otherwise: BuiltContent): Promise<LayerContent<SourceImage> | undefined> {
    const runImage = await this.#sources.runImage;
    for (const image of [await this.#sources.previous, runImage]) {
      const found = contentIn(image, diffId, runImage, otherwise);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function contentIn(
  from: SourceImage | undefined,
  diffId: string,
  { mediaType }: RunImage,
  otherwise: BuiltContent | undefined,
): ExistingContent<SourceImage> | undefined {
  const found = findLayer(from, diffId);
  const descriptor = found && layerIn(mediaType, found);
  if (from === undefined || descriptor === undefined) return undefined;
  return { kind: "existing", descriptor, from, otherwise };
}

function announce(step: AppStep, logger: Logger): void {
  if (step.kind === "buildpack") {
    logBuildpackDirectory(step.layers, logger);
    // The reference omits the path of a directory that it cannot read.
    const path = step.layers.unreadable === undefined ? fromByteString(step.layers.path) : "";
    logger.debug(`Processing buildpack directory: ${path}`);
    return;
  }
  if (step.role === undefined) return;
  if (step.role.kind === "launch") logger.debug(`Processing launch layer: ${fromByteString(step.role.layer.path)}`);
  if (step.kind === "reuse") {
    logger.info(`Reusing layer '${step.id}'`);
    logger.debug(`Layer '${step.id}' SHA: ${step.diffId}`);
  }
  if (step.role.kind === "launch-sbom") logger.debug(`Found SBOM of type launch for at ${step.role.path}`);
  if (step.role.kind === "app-slice" && step.role.number === 1) logger.debug("Adding app layers");
}

const LAUNCHER_HINT = "Let the user of the build read the launcher, or name another one with -launcher.";

function withReadContext(role: LayerStep["role"], error: unknown): unknown {
  if (!(error instanceof Fault) || error.code !== UNREADABLE_CONTENTS) return error;
  const { destination: path } = error;
  if (role.kind === "app-slice") return withContext(`failed to add file ${path} to archive`, error);
  if (role.kind === "launcher")
    return withContext(`failed to open launcher at path '${path}'`, withDefaultHint(error, LAUNCHER_HINT));
  return error;
}

function logLayer({ step, diffId, isReused }: AppLayer, logger: Logger): void {
  const { id } = step;
  if (step.kind === "reuse") return;
  // The reference requests the tar twice, and logs the second request.
  logger.debug(`Reusing tarball for layer ${goQuote(id)} with SHA: ${diffId}`);
  logger.info(`${isReused ? "Reusing" : "Adding"} layer '${id}'`);
  logger.debug(`Layer '${id}' SHA: ${diffId}`);
}

function logSlice(
  { number, count }: { number: number; count: number },
  layers: readonly AppLayer[],
  logger: Logger,
): void {
  if (number < count) return;
  const slices = layers.slice(-count);
  for (const { step, diffId } of slices) logger.debug(`Layer '${step.id}' SHA: ${diffId}`);
  const reused = slices.filter(({ isReused }) => isReused).length;
  if (reused > 0) logger.info(`Reused ${reused}/${count} app layer(s)`);
  if (reused < count) logger.info(`Added ${count - reused}/${count} app layer(s)`);
}

export async function emitLayers({ store, monitor }: Pick<ExportContext, "store" | "monitor">): Promise<void> {
  for (const layer of store.layers) await emitLayer(layer, monitor);
}

async function emitLayer(layer: Layer, monitor: ExportContext["monitor"]): Promise<void> {
  const { plan, counters } = layer;
  try {
    const [diffId, tarSize] = await Promise.all([layer.diffId, layer.tarSize]);
    const size = counters.compressions > 0 ? (await (await layer.blob()).done).size : undefined;
    const sized = size === undefined ? {} : { size };
    monitor.emit({ event: "layer", id: plan.id, diffId, tarSize, ...sized, images: plan.consumers, ...counters });
  } catch {
    // A cache layer that could not be built; the log has its warning.
  }
}
