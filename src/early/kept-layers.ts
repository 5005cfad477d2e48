import type { TreeStamp } from "../../workers/protocol.ts";
import type { EarlyLayer, EarlyLayers } from "../engine/early-builder.ts";
import type { EarlyUpload } from "./early-uploads.ts";

interface Kept {
  readonly stamp: string;
  readonly layer: EarlyLayer;
  readonly upload: EarlyUpload | undefined;
}

/** The layers that were made while the build ran, by key, until the export claims them. */
export class KeptLayers implements EarlyLayers {
  readonly #kept = new Map<string, Kept>();
  readonly #claimed: Kept[] = [];
  readonly #dropped: Kept[] = [];

  keep(key: string, { digest }: TreeStamp, layer: EarlyLayer, upload: EarlyUpload | undefined): void {
    this.#drop(key);
    this.#kept.set(key, { stamp: digest, layer, upload });
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  claim(key: string, stamp: TreeStamp): EarlyLayer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (kept.stamp !== stamp.digest) {
      this.#drop(key);
      return undefined;
    }
    this.#kept.delete(key);
    this.#claimed.push(kept);
    return kept.layer;
  }

  /** Bytes sent early for layers that are not in the image: they changed, or are no longer exported. */
  get wastedBytes(): number {
    return [...this.#dropped, ...this.#kept.values()].reduce((sum, { upload }) => sum + (upload?.sentBytes ?? 0), 0);
  }

  close(): void {
    for (const key of [...this.#kept.keys()]) this.#drop(key);
    for (const { upload } of this.#claimed) upload?.stop();
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#dropped.push(kept);
    kept.upload?.stop();
    void kept.layer.blob?.spool.release();
  }
}
