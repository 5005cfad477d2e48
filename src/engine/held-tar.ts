import { isStored, type LayerTar } from "../../workers/protocol.ts";
import { Fault } from "../errors/fault.ts";
import { closeSpoolFile } from "./spool-files.ts";

/** A layer's tar for as long as the layer is needed: one that is stored is freed when the last pass over it has ended. */
export class HeldTar {
  readonly #tar: Promise<LayerTar>;
  #passes = 0;
  #isReleased = false;
  #isFreed = false;

  constructor(tar: Promise<LayerTar>) {
    this.#tar = tar;
    // Every pass rejects with it; there may be none.
    tar.catch(() => undefined);
  }

  /** Length in bytes, when it is known. */
  async size(): Promise<number> {
    return (await this.#tar).tarSize;
  }

  /** @throws Fault why there is no tar, and what the pass throws */
  async pass<T>(run: (tar: LayerTar) => Promise<T>): Promise<T> {
    // The number of a closed descriptor may be another file's by now.
    if (this.#isFreed) throw new Fault("EXPORT_INTERNAL", "a layer's tar was read after its release");
    this.#passes += 1;
    try {
      return await run(await this.#tar);
    } finally {
      this.#passes -= 1;
      this.#freeIfUnused();
    }
  }

  /** No more passes will begin. */
  release(): void {
    this.#isReleased = true;
    this.#freeIfUnused();
  }

  #freeIfUnused(): void {
    if (!this.#isReleased || this.#passes > 0 || this.#isFreed) return;
    this.#isFreed = true;
    this.#tar.then(
      (tar) => (isStored(tar) ? closeSpoolFile(tar.fileDescriptor) : undefined),
      () => undefined,
    );
  }
}
