import type { TreeStamp } from "../../workers/protocol.ts";
import type { EarlyClaim, EarlyLayers } from "../engine/early-builder.ts";
import type { GrowingBlob } from "../engine/layer.ts";
import type { StampedBuild } from "./early-layer.ts";
import type { EarlyUpload } from "./early-uploads.ts";

interface Entry {
  readonly build: StampedBuild;
  /** Complete, and its tree was scanned again. */
  isReady: boolean;
  upload: EarlyUpload | undefined;
}

/** The early layers of one build, each until the export claims it or its tree changes. */
export class EarlyLayerStore implements EarlyLayers {
  readonly #entries = new Map<string, Entry>();
  readonly #claimed: Entry[] = [];
  readonly #dropped: Entry[] = [];

  /** @param upload called when the layer's blob begins to grow, unless the layer is dropped before */
  add(key: string, build: StampedBuild, upload: (blob: GrowingBlob) => EarlyUpload | undefined): void {
    this.drop(key);
    const entry: Entry = { build, isReady: false, upload: undefined };
    this.#entries.set(key, entry);
    build.blob.then(
      (blob) => {
        if (!this.#dropped.includes(entry)) entry.upload = upload(blob);
      },
      () => undefined,
    );
  }

  markReady(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.isReady = true;
  }

  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of [...this.#entries.keys()]) if (!keys.has(key)) this.drop(key);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Until a layer is ready, its tree was scanned only once: the stamp of the claim is the second scan. */
  claim(key: string, stamp: TreeStamp): EarlyClaim | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { build, isReady } = entry;
    if (build.stamp.digest !== stamp.digest || (!isReady && build.hasWriter())) {
      this.drop(key);
      return undefined;
    }
    this.#entries.delete(key);
    this.#claimed.push(entry);
    const layer = build.layer.then(
      (built) => ({ ...built, isReady }),
      () => undefined,
    );
    return { index: build.index, layer };
  }

  get wastedBytes(): number {
    return [...this.#dropped, ...this.#entries.values()].reduce((sum, { upload }) => sum + (upload?.sentBytes ?? 0), 0);
  }

  close(): void {
    for (const key of [...this.#entries.keys()]) this.drop(key);
    for (const { build, upload } of this.#claimed) {
      build.stop();
      upload?.stop();
    }
  }

  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { build, upload } = entry;
    this.#entries.delete(key);
    this.#dropped.push(entry);
    build.stop();
    upload?.stop();
    build.layer.then(
      ({ blob }) => blob?.spool.release(),
      () => undefined,
    );
  }
}
