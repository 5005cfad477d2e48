import type { ByteString } from "../src/go/byte-string.ts";
import type { TouchedFile } from "./blocks/file-contents.ts";
import { changedFault } from "./changed-fault.ts";
import { BLOCK_SIZE, type BlockDone } from "./protocol.ts";

type Made = Pick<BlockDone, "crc32" | "touched">;

/** Files that were touched while the blocks of a tar were made. */
export class TouchedFiles {
  /** By block. */
  readonly #sums: number[] = [];
  /** By the offset of their contents in the tar. */
  readonly #files = new Map<number, TouchedFile>();

  add(block: number, { crc32, touched }: Made): void {
    this.#sums[block] = crc32;
    for (const file of touched) this.#files.set(file.start, file);
  }

  /** Path of one of them. */
  get example(): ByteString | undefined {
    return this.#files.values().next().value?.path;
  }

  /**
   * Makes the blocks of each file again, unless the file lies in one block. If they are the same twice, the tar has one
   * version of it.
   * @throws Fault naming the file otherwise
   */
  async verify(makeAgain: (block: number) => Promise<Made>): Promise<void> {
    for (const file of this.#files.values()) {
      const [first, last] = [firstBlock(file), lastBlock(file)];
      if (first === last) continue;
      for (let block = first; block <= last; block++)
        if ((await makeAgain(block)).crc32 !== this.#sums[block]) throw changedFault(file.path, "was written to");
    }
  }
}

function firstBlock({ start }: TouchedFile): number {
  return Math.floor(start / BLOCK_SIZE);
}

function lastBlock({ start, size }: TouchedFile): number {
  return Math.floor((start + Math.max(size, 1) - 1) / BLOCK_SIZE);
}
