import type { ByteString } from "../../src/go/byte-string.ts";
import { paddedSize, RECORD_SIZE, TAR_TYPE, type TarType, TRAILER_SIZE } from "../../src/go/tar-header.ts";
import { lastAtOrBefore, partOf, type TarIndex, type TarIndexSegment } from "../protocol.ts";
import { headerSize } from "../tar/encode.ts";
import type { TarEntry } from "../tar/entry.ts";

/** Times of the file that an entry's contents come from, as scanned. If they differ later, the file was touched. */
export interface FileIdentity {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export type ScannedEntry = TarEntry & FileIdentity;

export interface IndexedEntry extends ScannedEntry {
  readonly offset: number;
  readonly headerSize: number;
}

/**
 * Names are stored without the prefix that they share with the previous name. Every entry whose number is a multiple of
 * this stores its whole name, so that reading can start near any entry.
 */
const RESTART = 32;

/**
 * A segment's columns, widest first, so that all are aligned. Each has a value per entry. `size` is the bytes of a
 * file, or major * {@link MINOR_BASE} + minor of a device.
 */
const COLUMNS = {
  size: Float64Array,
  mtimeMs: Float64Array,
  ctimeMs: Float64Array,
  offsetRecords: Uint32Array,
  nameEnd: Uint32Array,
  owner: Uint16Array,
  headerRecords: Uint16Array,
  shared: Uint16Array,
  linkLength: Uint16Array,
  mode: Uint16Array,
  type: Uint8Array,
} as const;

const BYTES_PER_ENTRY = Object.values(COLUMNS).reduce((sum, { BYTES_PER_ELEMENT: width }) => sum + width, 0);

const BYTES_PER_OWNER = 16;

type Columns = ReturnType<typeof segmentView>["columns"];

const MINOR_BASE = 2 ** 32;

/** Owners are doubles, because flags may give negative ones or some beyond 32 bits. */
function segmentView({
  memory,
  entryCount,
  ownerCount,
}: Pick<TarIndexSegment, "memory" | "entryCount" | "ownerCount">) {
  let at = ownerCount * BYTES_PER_OWNER;
  const next = <Column extends { readonly byteLength: number }>(
    type: new (memory: SharedArrayBuffer, start: number, length: number) => Column,
  ): Column => {
    const column = new type(memory, at, entryCount);
    at += column.byteLength;
    return column;
  };
  const columns = {
    owners: new Float64Array(memory, 0, 2 * ownerCount),
    size: next(COLUMNS.size),
    mtimeMs: next(COLUMNS.mtimeMs),
    ctimeMs: next(COLUMNS.ctimeMs),
    offsetRecords: next(COLUMNS.offsetRecords),
    nameEnd: next(COLUMNS.nameEnd),
    owner: next(COLUMNS.owner),
    headerRecords: next(COLUMNS.headerRecords),
    shared: next(COLUMNS.shared),
    linkLength: next(COLUMNS.linkLength),
    mode: next(COLUMNS.mode),
    type: next(COLUMNS.type),
  };
  return { columns, names: Buffer.from(memory, at) };
}

function* readSegment(segment: TarIndexSegment, from: number, to: number): Generator<IndexedEntry> {
  const { columns, names } = segmentView(segment);
  const offsetOf = (i: number): number => segment.start + (columns.offsetRecords[i] as number) * RECORD_SIZE;
  const first = lastAtOrBefore(from, segment.entryCount, offsetOf);
  let name = "";
  for (let i = first - (first % RESTART); i < segment.entryCount; i++) {
    const offset = offsetOf(i);
    if (i >= first && offset >= to) return;
    const start = i === 0 ? 0 : (columns.nameEnd[i - 1] as number);
    const linkStart = (columns.nameEnd[i] as number) - (columns.linkLength[i] as number);
    name = name.slice(0, columns.shared[i]) + names.toString("latin1", start, linkStart);
    if (i < first) continue;
    yield { ...entryAt(columns, i), name, linkName: names.toString("latin1", linkStart, columns.nameEnd[i]), offset };
  }
}

function entryAt(columns: Columns, i: number): Omit<IndexedEntry, "name" | "linkName" | "offset"> {
  const type = columns.type[i] as TarType;
  const size = columns.size[i] as number;
  const owner = 2 * (columns.owner[i] as number);
  return {
    type,
    mode: columns.mode[i] as number,
    uid: columns.owners[owner] as number,
    gid: columns.owners[owner + 1] as number,
    size: isDevice(type) ? 0 : size,
    deviceMajor: isDevice(type) ? Math.floor(size / MINOR_BASE) : 0,
    deviceMinor: isDevice(type) ? size % MINOR_BASE : 0,
    mtimeMs: columns.mtimeMs[i] as number,
    ctimeMs: columns.ctimeMs[i] as number,
    headerSize: (columns.headerRecords[i] as number) * RECORD_SIZE,
  };
}

export function isDevice(type: TarType): boolean {
  return type === TAR_TYPE.charDevice || type === TAR_TYPE.blockDevice;
}

interface NewEntry {
  readonly entry: ScannedEntry;
  readonly headerSize: number;
}

function buildSegment(added: readonly NewEntry[], start: number): TarIndexSegment {
  const entries = added.map(({ entry }) => entry);
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
  for (const [i, { entry, headerSize }] of added.entries()) {
    const prefix = shared[i] as number;
    nameEnd += names.write(entry.name.slice(prefix), nameEnd, "latin1");
    nameEnd += names.write(entry.linkName, nameEnd, "latin1");
    const headerRecords = headerSize / RECORD_SIZE;
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

function sharedPrefixes(entries: readonly ScannedEntry[]): Uint16Array {
  const shared = new Uint16Array(entries.length);
  for (let i = 1; i < entries.length; i++) {
    if (i % RESTART === 0) continue;
    shared[i] = sharedPrefix((entries[i - 1] as ScannedEntry).name, (entries[i] as ScannedEntry).name);
  }
  return shared;
}

/**
 * A separate function, because V8 would compile the inner loop on its own and discard that code whenever the loop ends.
 */
function sharedPrefix(previous: ByteString, name: ByteString): number {
  const max = Math.min(name.length, previous.length, 0xffff);
  let same = 0;
  while (same < max && name.charCodeAt(same) === previous.charCodeAt(same)) same += 1;
  return same;
}

const SEGMENT_ENTRIES = 4096;

const SEGMENT_BYTES = 2 ** 31 * RECORD_SIZE;

/** Builds a tar index during a scan, segment by segment, so that a million entries never exist as objects at once. */
export class TarIndexBuilder {
  readonly #segments: TarIndexSegment[] = [];
  #entries: NewEntry[] = [];
  #start = 0;
  #end = 0;
  #entryCount = 0;

  get isEmpty(): boolean {
    return this.#entryCount === 0;
  }

  add(entry: ScannedEntry): void {
    if (this.#entries.length === SEGMENT_ENTRIES || this.#end - this.#start >= SEGMENT_BYTES) this.#pack();
    const size = headerSize(entry);
    this.#entries.push({ entry, headerSize: size });
    this.#entryCount += 1;
    this.#end += size + paddedSize(entry.size);
  }

  build(contentPath?: ByteString): TarIndex {
    if (this.#entries.length > 0) this.#pack();
    const tarSize = this.#end + TRAILER_SIZE;
    return { segments: this.#segments, entryCount: this.#entryCount, tarSize, contentPath };
  }

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

export function buildTarIndex(entries: Iterable<ScannedEntry>, contentPath?: ByteString): TarIndex {
  const builder = new TarIndexBuilder();
  for (const entry of entries) builder.add(entry);
  return builder.build(contentPath);
}

export function* entriesBetween(index: TarIndex, from: number, to: number): Generator<IndexedEntry> {
  for (const segment of partOf(index, from, to).segments) yield* readSegment(segment, from, to);
}
