import type { TreeStamp } from "../../workers/protocol.ts";
import type { EarlyClaim, EarlyLayers } from "../engine/early-builder.ts";
import type { GrowingBlob } from "../engine/layer.ts";
import type { EarlyUpload } from "./early-uploads.ts";
import type { EarlyMaking } from "./make-early.ts";

interface Kept {
  readonly making: EarlyMaking;
  /** Made, and its tree was looked at again. */
  isReady: boolean;
  upload: EarlyUpload | undefined;
}

export class KeptLayers implements EarlyLayers {
  readonly #kept = new Map<string, Kept>();
  readonly #claimed: Kept[] = [];
  readonly #dropped: Kept[] = [];

  /** @param upload called when the layer's blob begins to grow, unless the layer is dropped before */
  begin(key: string, making: EarlyMaking, upload: (blob: GrowingBlob) => EarlyUpload | undefined): void {
    this.drop(key);
    const kept: Kept = { making, isReady: false, upload: undefined };
    this.#kept.set(key, kept);
    making.blob.then(
      (blob) => {
        if (!this.#dropped.includes(kept)) kept.upload = upload(blob);
      },
      () => undefined,
    );
  }

  ready(key: string): void {
    const kept = this.#kept.get(key);
    if (kept !== undefined) kept.isReady = true;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** A layer that is not ready has had one look only: the claim's stamp is the second one. */
  claim(key: string, stamp: TreeStamp): EarlyClaim | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const { making, isReady } = kept;
    if (making.stamp.digest !== stamp.digest || (!isReady && making.hasWriter())) {
      this.drop(key);
      return undefined;
    }
    this.#kept.delete(key);
    this.#claimed.push(kept);
    const layer = making.layer.then(
      (made) => ({ ...made, isReady }),
      () => undefined,
    );
    return { index: making.index, layer };
  }

  get wastedBytes(): number {
    return [...this.#dropped, ...this.#kept.values()].reduce((sum, { upload }) => sum + (upload?.sentBytes ?? 0), 0);
  }

  close(): void {
    for (const key of [...this.#kept.keys()]) this.drop(key);
    for (const { making, upload } of this.#claimed) {
      making.stop();
      upload?.stop();
    }
  }

  drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    const { making, upload } = kept;
    this.#kept.delete(key);
    this.#dropped.push(kept);
    making.stop();
    upload?.stop();
    making.layer.then(
      ({ blob }) => blob?.spool.release(),
      () => undefined,
    );
  }
}
