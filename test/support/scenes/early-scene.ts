import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { vi } from "vitest";
import {
  type EarlyPlan,
  type EarlyStart,
  type StampedBuild,
  startEarlyLayer,
  verifyEarlyLayer,
} from "../../../src/early/early-layer.ts";
import { EarlyLayerStore } from "../../../src/early/early-layer-store.ts";
import { EarlyBuilder, type EarlyLayer } from "../../../src/engine/early-builder.ts";
import type { Layer } from "../../../src/engine/layer.ts";
import { LayerStore } from "../../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import { SpoolFiles } from "../../../src/engine/spool-files.ts";
import { distrustedFileSystem } from "../../../src/files/local-file-systems.ts";
import {
  APP_PRIORITY,
  type DirectorySource,
  type LayerPlan,
  layerKey,
  type Priority,
} from "../../../src/plan/layers.ts";
import { NEVER, planOf } from "../build/layer-plans.ts";
import { tempTree } from "../files/temp-tree.ts";
import { WAIT } from "../runner/time-limits.ts";

const distrusted = await distrustedFileSystem(realpathSync(tmpdir()));
if (distrusted !== undefined)
  console.warn(`Tests of early export are skipped: the file system of TMPDIR (type ${distrusted}) may hide changes`);

/** False where temporary files are in memory, say: nothing is made early there. */
export const IS_TRUSTED = distrusted === undefined;

export interface ExportedLayer {
  readonly diffId: string;
  readonly digest: string;
  /** Passes over its files. */
  readonly reads: number;
}

type EarlyResult =
  | { readonly kind: "built"; readonly layer: EarlyLayer }
  | Exclude<EarlyStart, { readonly kind: "started" }>;

/** Makes layers early, and then the layers of an export, in the same threads. */
export class EarlyScene {
  readonly layers = new EarlyLayerStore();
  readonly spoolDir = tempTree();
  readonly #pool: WorkerPool;
  readonly #builder: EarlyBuilder;

  /** @param threads for early layers */
  constructor(pool: WorkerPool, threads = pool.workers) {
    this.#pool = pool;
    this.#builder = new EarlyBuilder(pool, threads, new SpoolFiles(this.spoolDir, 8));
  }

  /** Begins the layer, as it is begun while a build runs. */
  async start(
    source: DirectorySource,
    expected: readonly string[] = [],
    upload: Parameters<EarlyLayerStore["add"]>[2] = () => undefined,
    priority: Priority = APP_PRIORITY,
  ): Promise<EarlyStart> {
    const context = { spoolDir: this.spoolDir, session: process.pid };
    const started = await startEarlyLayer(
      this.#builder,
      { ...planOfEarly(source, expected), priority },
      context,
      NEVER,
    );
    if (started.kind === "started") this.layers.add(layerKey(source), started.build, upload);
    return started;
  }

  async tryEarly(source: DirectorySource, expected: readonly string[] = []): Promise<EarlyResult> {
    const started = await this.start(source, expected);
    if (started.kind !== "started") return started;
    const reason = await this.verify(source, started.build);
    if (reason === undefined) {
      this.layers.markReady(layerKey(source));
      return { kind: "built", layer: await started.build.layer };
    }
    this.layers.drop(layerKey(source));
    return { kind: "retry", reason };
  }

  /** @returns why the layer cannot be used */
  async verify(source: DirectorySource, build: StampedBuild, signal = NEVER): Promise<string | undefined> {
    return await verifyEarlyLayer(this.#builder, planOfEarly(source, []), build, signal);
  }

  /** Tries until its last change is old enough. */
  async early(source: DirectorySource): Promise<void> {
    await vi.waitFor(async () => {
      const result = await this.tryEarly(source);
      if (result.kind !== "built") throw new Error(result.reason);
    }, WAIT);
  }

  layer(source: DirectorySource, plan: Partial<LayerPlan> = {}): Layer {
    return this.#store(this.layers).layer(planOf(source, { key: layerKey(source), ...plan }), NEVER);
  }

  endBuild(): void {
    this.#builder.liftLimit();
  }

  async export(source: DirectorySource): Promise<ExportedLayer> {
    return await finished(this.layer(source));
  }

  async exportWithoutEarly(source: DirectorySource): Promise<ExportedLayer> {
    return await finished(this.#store(undefined).layer(planOf(source), NEVER));
  }

  #store(early: EarlyLayerStore | undefined): LayerStore {
    return new LayerStore(this.#pool, this.spoolDir, { early });
  }
}

function planOfEarly(source: DirectorySource, expected: readonly string[]): EarlyPlan {
  return { id: "bp:layer", source, expected, blob: true, priority: APP_PRIORITY };
}

async function finished(layer: Layer): Promise<ExportedLayer> {
  const diffId = await layer.diffId;
  const { digest } = await (await layer.blob()).done;
  layer.release();
  return { diffId, digest, reads: layer.counters.reads };
}
