import type { ByteString } from "../oci/byte-string.ts";
import { buildSegment } from "./build-segment.ts";
import { paddedSize, RECORD_SIZE, TRAILER_SIZE } from "./tar-fields.ts";
import { headerSize } from "./tar-header.ts";
import type { IndexedEntry, ScannedEntry, TarIndex } from "./tar-index.ts";
import { readSegment, type TarIndexSegment } from "./tar-index-segment.ts";

/** Entries of a segment: as JavaScript objects they take about a megabyte until they are packed. */
const SEGMENT_ENTRIES = 4096;

/** Bytes of tar of a segment, so that its offsets fit 32 bits when they count records. One entry may go beyond. */
const SEGMENT_BYTES = 2 ** 31 * RECORD_SIZE;

/**
 * Makes a tar index while a scan goes on, one segment after the other, so that a million entries never exist as objects all
 * at once.
 */
export class TarIndexBuilder {
  readonly #segments: TarIndexSegment[] = [];
  #entries: ScannedEntry[] = [];
  #start = 0;
  #end = 0;
  #entryCount = 0;

  get isEmpty(): boolean {
    return this.#entryCount === 0;
  }

  /** @throws Fault when no header can hold the entry */
  add(entry: ScannedEntry): void {
    if (this.#entries.length === SEGMENT_ENTRIES || this.#end - this.#start >= SEGMENT_BYTES) this.#pack();
    this.#entries.push(entry);
    this.#entryCount += 1;
    this.#end += headerSize(entry) + paddedSize(entry.size);
  }

  /** @param contentPath see {@link TarIndex} */
  build(contentPath?: ByteString): TarIndex {
    if (this.#entries.length > 0) this.#pack();
    const tarSize = this.#end + TRAILER_SIZE;
    return { segments: this.#segments, entryCount: this.#entryCount, tarSize, contentPath };
  }

  /** Gives all entries back, in order, instead of an index; their memory is freed on the way. */
  *drain(): Generator<IndexedEntry> {
    if (this.#entries.length > 0) this.#pack();
    for (let segment = this.#segments.shift(); segment !== undefined; segment = this.#segments.shift())
      yield* readSegment(segment, segment.start, Number.POSITIVE_INFINITY);
  }

  #pack(): void {
    this.#segments.push(buildSegment(this.#entries, this.#start));
    this.#entries = [];
    this.#start = this.#end;
  }
}

/** Puts entries one after the other into a tar and returns its index. */
export function buildTarIndex(entries: Iterable<ScannedEntry>, contentPath?: ByteString): TarIndex {
  const builder = new TarIndexBuilder();
  for (const entry of entries) builder.add(entry);
  return builder.build(contentPath);
}
