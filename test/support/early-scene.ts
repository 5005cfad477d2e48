import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { vi } from "vitest";
import { KeptLayers } from "../../src/early/kept-layers.ts";
import { type BegunEarly, beginEarly, doubtEarly, type EarlyPlan } from "../../src/early/make-early.ts";
import { EarlyBuilder, type EarlyLayer } from "../../src/engine/early-builder.ts";
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

type TriedEarly =
  | { readonly kind: "made"; readonly layer: EarlyLayer }
  | Exclude<BegunEarly, { readonly kind: "begun" }>;

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

  /** Begins the layer, as it is begun while a build runs. */
  async begin(
    source: DirectorySource,
    expected: readonly string[] = [],
    upload: Parameters<KeptLayers["begin"]>[2] = () => undefined,
  ): Promise<BegunEarly> {
    const site = { spoolDir: this.spoolDir, session: process.pid };
    const begun = await beginEarly(this.#builder, planOfEarly(source, expected), site, NEVER);
    if (begun.kind === "begun") this.kept.begin(layerKey(source), begun.making, upload);
    return begun;
  }

  async tryEarly(source: DirectorySource, expected: readonly string[] = []): Promise<TriedEarly> {
    const begun = await this.begin(source, expected);
    if (begun.kind !== "begun") return begun;
    const reason = await doubtEarly(this.#builder, planOfEarly(source, expected), begun.making, NEVER);
    if (reason === undefined) {
      this.kept.ready(layerKey(source));
      return { kind: "made", layer: await begun.making.layer };
    }
    this.kept.drop(layerKey(source));
    return { kind: "later", reason };
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

function planOfEarly(source: DirectorySource, expected: readonly string[]): EarlyPlan {
  return { id: "bp:layer", source, expected, blob: true };
}

async function finished(layer: Layer): Promise<ExportedLayer> {
  const diffId = await layer.diffId;
  const { digest } = await (await layer.blob()).done;
  layer.release();
  return { diffId, digest, reads: layer.counters.reads };
}
