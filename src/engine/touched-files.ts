import { BLOCK_SIZE, type BlockDone, changedFault, type TouchedFile } from "../../workers/protocol.ts";
import type { ByteString } from "../go/byte-string.ts";

type BuiltBlock = Pick<BlockDone, "crc32" | "touched">;

/** The files of one pass whose times have changed since the scan. The tar is valid if each was read in one version. */
export class TouchedFiles {
  readonly #sums: number[] = [];
  readonly #files = new Map<number, TouchedFile>();

  add(block: number, { crc32, touched }: BuiltBlock): void {
    this.#sums[block] = crc32;
    for (const file of touched) this.#files.set(file.start, file);
  }

  /** One of the files, for an error; undefined if there are none. */
  get example(): ByteString | undefined {
    return this.#files.values().next().value?.path;
  }

  /**
   * Rebuilds the blocks of each file that spans several blocks. If both builds are equal, the tar holds one version of
   * the file.
   * @throws Fault naming the file otherwise
   */
  async verify(rebuild: (block: number) => Promise<BuiltBlock>): Promise<void> {
    for (const file of this.#files.values()) {
      const first = firstBlock(file);
      const last = lastBlock(file);
      if (first === last) continue;
      for (let block = first; block <= last; block++)
        if ((await rebuild(block)).crc32 !== this.#sums[block]) throw changedFault(file.path, "was written to");
    }
  }
}

function firstBlock({ start }: TouchedFile): number {
  return Math.floor(start / BLOCK_SIZE);
}

function lastBlock({ start, size }: TouchedFile): number {
  return Math.floor((start + Math.max(size, 1) - 1) / BLOCK_SIZE);
}
