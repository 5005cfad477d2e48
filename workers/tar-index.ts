import type { ByteString } from "../src/go/byte-string.ts";
import { RECORD_SIZE, TAR_TYPE, type TarEntry, type TarType } from "./tar/header.ts";

/**
 * Binary search in what is in order: the number of the last of `count` that starts at or before `position`; 0 if there is
 * none.
 */
export function lastAtOrBefore(position: number, count: number, startOf: (i: number) => number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startOf(middle) <= position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Some thousands of a tar's entries, one after the other, in memory that all threads share. */
export interface TarIndexSegment {
  readonly memory: SharedArrayBuffer;
  readonly entryCount: number;
  /** Offset in bytes of its first entry in the tar. */
  readonly start: number;
  /** Different pairs of owners. */
  readonly ownerCount: number;
}

/**
 * Names are stored without what they share with the name before them. Every entry whose number is a multiple of this
 * stores its whole name, so that reading can start near any entry.
 */
export const RESTART = 32;

/** The columns of a segment: name, bytes per entry. Wide columns come first to stay aligned. */
const COLUMNS = {
  size: 8,
  mtimeMs: 8,
  ctimeMs: 8,
  offsetRecords: 4,
  nameEnd: 4,
  owner: 2,
  headerRecords: 2,
  shared: 2,
  linkLength: 2,
  mode: 2,
  type: 1,
} as const;

export const BYTES_PER_ENTRY = Object.values(COLUMNS).reduce((sum, width) => sum + width, 0);

/** A user and a group. */
export const BYTES_PER_OWNER = 16;

interface Columns {
  /** Two numbers each. Those on disk are unsigned, those of the flags may be negative or beyond 32 bits: both fit a double. */
  readonly owners: Float64Array;
  /** Bytes of a file; major * 2^32 + minor of a device. */
  readonly size: Float64Array;
  readonly mtimeMs: Float64Array;
  readonly ctimeMs: Float64Array;
  /** From the segment's start to the entry's header. */
  readonly offsetRecords: Uint32Array;
  readonly nameEnd: Uint32Array;
  readonly owner: Uint16Array;
  readonly headerRecords: Uint16Array;
  readonly shared: Uint16Array;
  readonly linkLength: Uint16Array;
  readonly mode: Uint16Array;
  readonly type: Uint8Array;
}

/** A segment's memory, ready to be read. */
export interface SegmentView {
  readonly columns: Columns;
  /** For each entry what its name does not share, then its link name. */
  readonly names: Buffer;
}

/** A device's two numbers share a column. */
export const MINOR_BASE = 2 ** 32;

/** The columns and names of a segment, wherever its memory came from. */
export function segmentView({
  memory,
  entryCount,
  ownerCount,
}: Pick<TarIndexSegment, "memory" | "entryCount" | "ownerCount">): SegmentView {
  let at = ownerCount * BYTES_PER_OWNER;
  const next = (width: number): number => {
    const start = at;
    at += width * entryCount;
    return start;
  };
  const columns = {
    owners: new Float64Array(memory, 0, 2 * ownerCount),
    size: new Float64Array(memory, next(COLUMNS.size), entryCount),
    mtimeMs: new Float64Array(memory, next(COLUMNS.mtimeMs), entryCount),
    ctimeMs: new Float64Array(memory, next(COLUMNS.ctimeMs), entryCount),
    offsetRecords: new Uint32Array(memory, next(COLUMNS.offsetRecords), entryCount),
    nameEnd: new Uint32Array(memory, next(COLUMNS.nameEnd), entryCount),
    owner: new Uint16Array(memory, next(COLUMNS.owner), entryCount),
    headerRecords: new Uint16Array(memory, next(COLUMNS.headerRecords), entryCount),
    shared: new Uint16Array(memory, next(COLUMNS.shared), entryCount),
    linkLength: new Uint16Array(memory, next(COLUMNS.linkLength), entryCount),
    mode: new Uint16Array(memory, next(COLUMNS.mode), entryCount),
    type: new Uint8Array(memory, next(COLUMNS.type), entryCount),
  };
  return { columns, names: Buffer.from(memory, at) };
}

/** Yields the entries of a segment whose header or contents touch the tar's bytes `[from, to)`, in order. */
export function* readSegment(segment: TarIndexSegment, from: number, to: number): Generator<IndexedEntry> {
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

/** True for the types that have a major and a minor number. */
export function isDevice(type: TarType): boolean {
  return type === TAR_TYPE.charDevice || type === TAR_TYPE.blockDevice;
}

/** What the scan saw of the file that an entry's contents come from; a different answer later means that it changed. */
export interface FileIdentity {
  /** Modification time in ms with its fraction, as node:fs gives it. */
  readonly mtimeMs: number;
  /** Time of the last change of the file or what describes it, in the same unit. Programs cannot set it. */
  readonly ctimeMs: number;
}

/** An entry as a scan finds it, before its place in the tar is known. */
export type ScannedEntry = TarEntry & FileIdentity;

/** An entry, where it stands in the tar, and what its file looked like when scanned. */
export interface IndexedEntry extends ScannedEntry {
  /** Offset in bytes of the entry's header in the tar. */
  readonly offset: number;
  /** Length in bytes of its header records. */
  readonly headerSize: number;
}

/**
 * The tar index: every entry of a layer's tar and the offset of every byte, without any content
 * (docs/architecture.md#principles). It is plain shared memory, so any thread can build any part of the tar, and
 * posting it to a thread copies nothing.
 */
export interface TarIndex {
  /** In the tar's order; those without a part of the tar are left out of a {@link partOf} an index. */
  readonly segments: readonly TarIndexSegment[];
  readonly entryCount: number;
  /** Length of the tar in bytes, its trailer included. */
  readonly tarSize: number;
  /** The file whose contents all file entries take, where that is not the entry's own name (the launcher). */
  readonly contentPath: ByteString | undefined;
}

/**
 * The same index with no more segments than the tar's bytes `[from, to)` need: a message that carries it is as short for a
 * million entries as for a few.
 */
export function partOf(index: TarIndex, from: number, to: number): TarIndex {
  const { segments } = index;
  if (segments.length < 2) return index;
  const first = lastAtOrBefore(from, segments.length, (i) => (segments[i] as TarIndexSegment).start);
  let end = first + 1;
  while (end < segments.length && (segments[end] as TarIndexSegment).start < to) end += 1;
  return { ...index, segments: segments.slice(first, end) };
}

/** Yields the entries whose header or contents touch the tar's bytes `[from, to)`, in order. */
export function* entriesBetween(index: TarIndex, from: number, to: number): Generator<IndexedEntry> {
  for (const segment of partOf(index, from, to).segments) yield* readSegment(segment, from, to);
}
