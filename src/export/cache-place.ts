import type { RegistryRepository } from "../destinations/registry/repository.ts";
import type { Layer } from "../layers/layer.ts";
import type { Digest } from "../oci/digest.ts";
import { type PlacedBlob, type Placing, placeLayer, type RegistryContent } from "./registry-layer.ts";

/** A layer of a cache image on its way to the repository. The layer is freed when its blob is safe there. */
export class CachePlace {
  readonly #content: Promise<RegistryContent>;
  readonly #layer: Layer;
  readonly #repository: RegistryRepository;
  readonly #work: Placing;
  #placed: Promise<PlacedBlob>;
  #isReleased = false;

  /** @param content where its bytes come from, as soon as that is known */
  constructor(content: Promise<RegistryContent>, layer: Layer, repository: RegistryRepository, work: Placing) {
    this.#content = content;
    this.#layer = layer;
    this.#repository = repository;
    this.#work = work;
    this.#placed = this.#place();
  }

  get placed(): Promise<PlacedBlob> {
    return this.#placed;
  }

  /** Brings the layer once more if its blob is one of those that the repository turned out not to have. */
  bringMissing(digests: readonly Digest[]): void {
    const before = this.#placed;
    this.#placed = before.then((placed) => (digests.includes(placed.descriptor.digest) ? this.#place() : placed));
    this.#placed.catch(() => undefined);
  }

  /** The layer is needed no longer, whether or not it got there. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#layer.release();
  }

  #place(): Promise<PlacedBlob> {
    const place = async (): Promise<PlacedBlob> => {
      const content = await this.#content;
      const isGone = this.#isReleased && content.kind === "existing";
      const placed = await placeLayer(
        isGone ? { ...content, otherwise: undefined } : content,
        this.#repository,
        this.#work,
      );
      if (placed.isCertain) this.release();
      return placed;
    };
    const placed = place();
    // One that cannot be made later may be waited for by nobody.
    placed.catch(() => undefined);
    return placed;
  }
}
