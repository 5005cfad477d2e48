import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { vi } from "vitest";
import { KeptLayers } from "../../src/early/kept-layers.ts";
import { type MadeEarly, makeEarly } from "../../src/early/make-early.ts";
import { EarlyBuilder } from "../../src/engine/early-builder.ts";
import type { Layer } from "../../src/engine/layer.ts";
import { LayerStore } from "../../src/engine/layer-store.ts";
import type { WorkerPool } from "../../src/engine/pool.ts";
import { SpoolFiles } from "../../src/engine/spool-files.ts";
import { distrustedFileSystem } from "../../src/files/local-file-systems.ts";
import { type DirectorySource, type LayerPlan, layerKey } from "../../src/plan/layers.ts";
import { NEVER, planOf } from "./layer-plans.ts";
import { tempTree } from "./temp-tree.ts";
import { WAIT } from "./time-limits.ts";

/** False where temporary files are in memory, say: nothing is made early there. */
export const IS_TRUSTED = (await distrustedFileSystem(realpathSync(tmpdir()))) === undefined;

export interface ExportedLayer {
  readonly diffId: string;
  readonly digest: string;
  /** Passes over its files. */
  readonly reads: number;
}

/** Makes layers early, and then the layers of an export, in the same threads. */
export class EarlyScene {
  readonly kept = new KeptLayers();
  readonly spoolDir = tempTree();
  readonly #pool: WorkerPool;
  readonly #builder: EarlyBuilder;

  constructor(pool: WorkerPool) {
    this.#pool = pool;
    this.#builder = new EarlyBuilder(pool, new SpoolFiles(this.spoolDir, 8));
  }

  async tryEarly(source: DirectorySource, expected: readonly string[] = []): Promise<MadeEarly> {
    const site = { spoolDir: this.spoolDir, session: process.pid };
    const made = await makeEarly(this.#builder, { id: "bp:layer", source, expected, blob: true }, site, NEVER);
    if (made.kind === "made") this.kept.keep(layerKey(source), made.stamp, made.layer, undefined);
    return made;
  }

  /** Tries until its last change is old enough. */
  async early(source: DirectorySource): Promise<void> {
    await vi.waitFor(async () => {
      const made = await this.tryEarly(source);
      if (made.kind !== "made") throw new Error(made.reason);
    }, WAIT);
  }

  layer(source: DirectorySource, plan: Partial<LayerPlan> = {}): Layer {
    return this.#store(this.kept).layer(planOf(source, { key: layerKey(source), ...plan }), NEVER);
  }

  async export(source: DirectorySource): Promise<ExportedLayer> {
    return await finished(this.layer(source));
  }

  async exportWithoutEarly(source: DirectorySource): Promise<ExportedLayer> {
    return await finished(this.#store(undefined).layer(planOf(source), NEVER));
  }

  #store(early: KeptLayers | undefined): LayerStore {
    return new LayerStore(this.#pool, 2, this.spoolDir, { early });
  }
}

async function finished(layer: Layer): Promise<ExportedLayer> {
  const diffId = await layer.diffId;
  const { digest } = await (await layer.blob()).done;
  layer.release();
  return { diffId, digest, reads: layer.counters.reads };
}
