import type { DigestDone, TreeStamp } from "../../workers/protocol.ts";
import type { SpooledBlob } from "./spool.ts";

interface EarlyBlob {
  /** Complete. */
  readonly spool: SpooledBlob;
  readonly done: DigestDone;
}

/** What was made of a layer while the build ran (docs/decisions/0012-early-export.md). */
export interface EarlyLayer {
  readonly diffId: DigestDone;
  readonly blob: EarlyBlob | undefined;
}

export interface EarlyLayers {
  /** True if the layer of this key may be claimed, which takes a stamped scan. */
  has(key: string): boolean;
  /** @returns the layer if its tree is what it was; otherwise drops it */
  claim(key: string, stamp: TreeStamp): EarlyLayer | undefined;
}
