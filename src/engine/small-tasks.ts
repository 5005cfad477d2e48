import { setImmediate as nextTurn } from "node:timers/promises";
import { digestBlocks } from "../../workers/blocks/digest.ts";
import { type BlockEncoder, createEncoder } from "../../workers/blocks/encoder.ts";
import { handleTask } from "../../workers/compressor-tasks.ts";
import {
  type Arena,
  BLOCK_SIZE,
  type BlockTask,
  type Compression,
  type CompressorReply,
  type DigestReply,
  type DigestTask,
  type StampedScan,
  type TarIndex,
} from "../../workers/protocol.ts";
import { scanSource } from "../../workers/scan/scan.ts";
import { walk } from "../../workers/scan/walk.ts";
import { FIRST_COME, PriorityLimiter } from "../concurrency/limiter.ts";
import type { ByteString } from "../go/byte-string.ts";
import type { DirectorySource, LocalSource } from "../plan/layers.ts";

/** Limits for all layers together: about as much work as starting the threads. */
const MAX_BLOCKS = 8;
const MAX_ENTRIES = 256;

/**
 * Runs an export's first tasks in this thread: an export of a few small layers ends before threads have started. A scan
 * that fails, or finds too many entries, returns undefined, and a thread repeats it, as it does a failed block: a
 * thread can wait without blocking the process, and reports the failure.
 */
export class SmallTasks {
  readonly #arena: Arena;
  readonly #compression: Compression;
  /** One block at a time: several that wait for the next turn of the event loop would all run in it. */
  readonly #turns = new PriorityLimiter(1);
  #encoder: BlockEncoder | undefined;
  #blocksLeft = MAX_BLOCKS;
  #entriesLeft = MAX_ENTRIES;

  constructor(arena: Arena, compression: Compression) {
    this.#arena = arena;
    this.#compression = compression;
  }

  /** True if the directories certainly exceed the limits, or cannot be read. */
  exceeds(directories: readonly ByteString[]): boolean {
    let bytesLeft = this.#blocksLeft * BLOCK_SIZE;
    try {
      for (const directory of directories)
        for (const { stats } of walk(directory, "walk", this.#entriesLeft)) {
          if (stats.isFile()) bytesLeft -= stats.size;
          if (bytesLeft < 0) return true;
        }
      return false;
    } catch {
      return true;
    }
  }

  scan(source: LocalSource): readonly TarIndex[] | undefined {
    try {
      const indexes = scanSource(source, this.#entriesLeft);
      for (const { entryCount } of indexes) this.#entriesLeft -= entryCount;
      return indexes;
    } catch {
      return undefined;
    }
  }

  async scanStamped(source: DirectorySource): Promise<StampedScan | undefined> {
    try {
      const { scanStamped } = await import("../../workers/scan/stamp.ts");
      const scan = scanStamped(source, this.#entriesLeft);
      this.#entriesLeft -= scan.index.entryCount;
      return scan;
    } catch {
      return undefined;
    }
  }

  takes(blocks: number): boolean {
    return blocks <= this.#blocksLeft;
  }

  async block(task: BlockTask): Promise<CompressorReply> {
    this.#blocksLeft -= 1;
    return await this.#turns.run(FIRST_COME, async () => {
      // The process stays responsive: timers, sockets and signals are served between blocks.
      await nextTurn();
      this.#encoder ??= createEncoder(this.#arena, this.#compression);
      return await handleTask(task, this.#arena, this.#encoder);
    });
  }

  digest(task: DigestTask): Promise<DigestReply> {
    return digestBlocks({ arena: this.#arena, format: this.#compression.kind }, task);
  }
}
