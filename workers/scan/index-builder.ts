import type { ByteString } from "../../src/go/byte-string.ts";
import { headerSize, paddedSize, RECORD_SIZE, TRAILER_SIZE } from "../tar/header.ts";
import {
  BYTES_PER_ENTRY,
  BYTES_PER_OWNER,
  type IndexedEntry,
  isDevice,
  MINOR_BASE,
  RESTART,
  readSegment,
  type ScannedEntry,
  segmentView,
  type TarIndex,
  type TarIndexSegment,
} from "../tar-index.ts";

/**
 * Puts entries one after the other into a segment.
 * @param entries no more than a column of 16 bits can count owners
 * @param start offset in bytes of the first one in the tar
 */
export function buildSegment(entries: readonly ScannedEntry[], start: number): TarIndexSegment {
  const shared = sharedPrefixes(entries);
  const namesSize = entries.reduce((sum, e, i) => sum + e.name.length - (shared[i] as number) + e.linkName.length, 0);
  const owners = new Owners(entries);
  const [entryCount, ownerCount] = [entries.length, owners.count];
  const memory = new SharedArrayBuffer(BYTES_PER_OWNER * ownerCount + BYTES_PER_ENTRY * entryCount + namesSize);
  const segment = { memory, entryCount, ownerCount, start };
  const { columns, names } = segmentView(segment);
  columns.owners.set(owners.numbers);
  let offsetRecords = 0;
  let nameEnd = 0;
  for (const [i, entry] of entries.entries()) {
    const prefix = shared[i] as number;
    nameEnd += names.write(entry.name.slice(prefix), nameEnd, "latin1");
    nameEnd += names.write(entry.linkName, nameEnd, "latin1");
    const headerRecords = headerSize(entry) / RECORD_SIZE;
    columns.size[i] = isDevice(entry.type) ? entry.deviceMajor * MINOR_BASE + entry.deviceMinor : entry.size;
    columns.mtimeMs[i] = entry.mtimeMs;
    columns.ctimeMs[i] = entry.ctimeMs;
    columns.offsetRecords[i] = offsetRecords;
    columns.nameEnd[i] = nameEnd;
    columns.owner[i] = owners.indexOf(entry);
    columns.headerRecords[i] = headerRecords;
    columns.shared[i] = prefix;
    columns.linkLength[i] = entry.linkName.length;
    columns.mode[i] = entry.mode;
    columns.type[i] = entry.type;
    offsetRecords += headerRecords + paddedSize(entry.size) / RECORD_SIZE;
  }
  return segment;
}

/** Numbers the different owners of entries. */
class Owners {
  readonly #indexes = new Map<string, number>();
  readonly numbers: number[] = [];

  constructor(entries: readonly ScannedEntry[]) {
    for (const entry of entries) {
      const key = keyOf(entry);
      if (this.#indexes.has(key)) continue;
      this.#indexes.set(key, this.#indexes.size);
      this.numbers.push(entry.uid, entry.gid);
    }
  }

  get count(): number {
    return this.#indexes.size;
  }

  indexOf(entry: ScannedEntry): number {
    return this.#indexes.get(keyOf(entry)) as number;
  }
}

function keyOf({ uid, gid }: ScannedEntry): string {
  return `${uid}:${gid}`;
}

/** How many leading bytes each name shares with the one before it; 0 at restarts. */
function sharedPrefixes(entries: readonly ScannedEntry[]): Uint16Array {
  const shared = new Uint16Array(entries.length);
  for (let i = 1; i < entries.length; i++) {
    if (i % RESTART === 0) continue;
    const name = (entries[i] as ScannedEntry).name;
    const previous = (entries[i - 1] as ScannedEntry).name;
    const most = Math.min(name.length, previous.length, 0xffff);
    let same = 0;
    while (same < most && name.charCodeAt(same) === previous.charCodeAt(same)) same += 1;
    shared[i] = same;
  }
  return shared;
}

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
