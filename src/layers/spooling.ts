import type { Digest } from "../oci/digest.ts";
import type { DigestDone } from "./messages.ts";
import type { SpooledBlob } from "./spool.ts";

/**
 * A blob before there is a spool for it. That is opened when the pass begins, so that layers that wait for their turn hold no
 * descriptor; it carries a later failure to those who follow it.
 */
export class Spooling {
  /** Settles when the pass begins. */
  readonly spool: Promise<SpooledBlob>;
  readonly #opened = Promise.withResolvers<SpooledBlob>();
  #spool: SpooledBlob | undefined;

  constructor() {
    this.spool = this.#opened.promise;
    // Nobody may ask for it before it fails.
    this.spool.catch(() => undefined);
  }

  /** @throws Fault when there can be no spool */
  async open(opening: Promise<SpooledBlob>): Promise<SpooledBlob> {
    this.#spool = await opening;
    this.#opened.resolve(this.#spool);
    return this.#spool;
  }

  complete({ sha256, size }: DigestDone): void {
    this.#spool?.complete({ digest: `sha256:${sha256}` as Digest, size });
  }

  fail(reason: unknown): void {
    this.#opened.reject(reason);
    this.#spool?.fail(reason);
  }
}
