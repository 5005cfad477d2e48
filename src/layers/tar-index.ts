import type { ByteString } from "../oci/byte-string.ts";
import { paddedSize, RECORD_SIZE, TRAILER_SIZE } from "./tar-fields.ts";
import { headerSize, TAR_TYPE, type TarEntry, type TarType } from "./tar-header.ts";

/** What the scan saw of the file that an entry's contents come from; a different answer later means that it changed. */
export interface FileIdentity {
  /** Modification time in ms with its fraction, as node:fs gives it. */
  readonly mtimeMs: number;
  readonly inode: number;
}

/** An entry, where it stands in the tar, and what its file looked like when scanned. */
export interface IndexedEntry extends TarEntry, FileIdentity {
  /** Offset in bytes of the entry's header in the tar. */
  readonly offset: number;
  /** Length in bytes of its header records. */
  readonly headerSize: number;
}

/**
 * The tar index: every entry of a layer's tar and the offset of every byte, without any content (design, idea 1). It is
 * plain shared memory, so that any thread can make any part of the tar; posting it to a thread copies nothing.
 */
export interface TarIndex {
  readonly memory: SharedArrayBuffer;
  readonly entryCount: number;
  /** Length of the tar in bytes, its trailer included. */
  readonly tarSize: number;
  /** The file whose contents all file entries take, where that is not the entry's own name (the launcher). */
  readonly contentPath: ByteString | undefined;
}

/**
 * Names are stored without what they share with the name before them. Every entry whose number is a multiple of this
 * stores its whole name, so that reading can start near any entry.
 */
const RESTART = 32;

/** The columns of the index in memory: name, bytes per entry. Eight-byte columns come first to stay aligned. */
const COLUMNS = {
  offset: 8,
  size: 8,
  mtimeMs: 8,
  inode: 8,
  uid: 8,
  gid: 8,
  nameEnd: 4,
  headerRecords: 2,
  shared: 2,
  linkLength: 2,
  mode: 2,
  type: 1,
} as const;

interface Columns {
  readonly offset: Float64Array;
  /** Bytes of a file; major * 2^32 + minor of a device. */
  readonly size: Float64Array;
  readonly mtimeMs: Float64Array;
  readonly inode: Float64Array;
  /** Owners on disk are unsigned, those of the flags may be negative or beyond 32 bits: both fit a double. */
  readonly uid: Float64Array;
  readonly gid: Float64Array;
  readonly nameEnd: Uint32Array;
  readonly headerRecords: Uint16Array;
  readonly shared: Uint16Array;
  readonly linkLength: Uint16Array;
  readonly mode: Uint16Array;
  readonly type: Uint8Array;
  /** For each entry what its name does not share, then its link name. */
  readonly names: Uint8Array;
}

const MINOR_BASE = 2 ** 32;

function columnsOf(memory: SharedArrayBuffer, count: number): Columns {
  let at = 0;
  const next = (width: number): number => {
    const start = at;
    at += width * count;
    return start;
  };
  return {
    offset: new Float64Array(memory, next(COLUMNS.offset), count),
    size: new Float64Array(memory, next(COLUMNS.size), count),
    mtimeMs: new Float64Array(memory, next(COLUMNS.mtimeMs), count),
    inode: new Float64Array(memory, next(COLUMNS.inode), count),
    uid: new Float64Array(memory, next(COLUMNS.uid), count),
    gid: new Float64Array(memory, next(COLUMNS.gid), count),
    nameEnd: new Uint32Array(memory, next(COLUMNS.nameEnd), count),
    headerRecords: new Uint16Array(memory, next(COLUMNS.headerRecords), count),
    shared: new Uint16Array(memory, next(COLUMNS.shared), count),
    linkLength: new Uint16Array(memory, next(COLUMNS.linkLength), count),
    mode: new Uint16Array(memory, next(COLUMNS.mode), count),
    type: new Uint8Array(memory, next(COLUMNS.type), count),
    names: new Uint8Array(memory, at),
  };
}

const BYTES_PER_ENTRY = Object.values(COLUMNS).reduce((sum, width) => sum + width, 0);

/** An entry as a scan finds it, before its place in the tar is known. */
export type ScannedEntry = TarEntry & FileIdentity;

/** Puts entries one after the other into a tar and returns its index. */
export function buildTarIndex(entries: readonly ScannedEntry[], contentPath?: ByteString): TarIndex {
  const shared = sharedPrefixes(entries);
  const namesSize = entries.reduce((sum, e, i) => sum + e.name.length - (shared[i] as number) + e.linkName.length, 0);
  const memory = new SharedArrayBuffer(BYTES_PER_ENTRY * entries.length + namesSize);
  const columns = columnsOf(memory, entries.length);
  const names = Buffer.from(memory, BYTES_PER_ENTRY * entries.length);
  let offset = 0;
  let nameEnd = 0;
  for (const [i, entry] of entries.entries()) {
    const prefix = shared[i] as number;
    nameEnd += names.write(entry.name.slice(prefix), nameEnd, "latin1");
    nameEnd += names.write(entry.linkName, nameEnd, "latin1");
    const header = headerSize(entry);
    columns.offset[i] = offset;
    columns.size[i] = isDevice(entry.type) ? entry.deviceMajor * MINOR_BASE + entry.deviceMinor : entry.size;
    columns.mtimeMs[i] = entry.mtimeMs;
    columns.inode[i] = entry.inode;
    columns.nameEnd[i] = nameEnd;
    columns.uid[i] = entry.uid;
    columns.gid[i] = entry.gid;
    columns.headerRecords[i] = header / RECORD_SIZE;
    columns.shared[i] = prefix;
    columns.linkLength[i] = entry.linkName.length;
    columns.mode[i] = entry.mode;
    columns.type[i] = entry.type;
    offset += header + paddedSize(entry.size);
  }
  return { memory, entryCount: entries.length, tarSize: offset + TRAILER_SIZE, contentPath };
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

function isDevice(type: TarType): boolean {
  return type === TAR_TYPE.charDevice || type === TAR_TYPE.blockDevice;
}

/** Yields the entries whose header or contents touch the tar's bytes `[from, to)`, in order. */
export function* entriesBetween(index: TarIndex, from: number, to: number): Generator<IndexedEntry> {
  const columns = columnsOf(index.memory, index.entryCount);
  const names = Buffer.from(columns.names.buffer, columns.names.byteOffset, columns.names.byteLength);
  const first = lastAtOrBefore(columns.offset, from);
  let name = "";
  for (let i = first - (first % RESTART); i < index.entryCount; i++) {
    if (i >= first && (columns.offset[i] as number) >= to) return;
    const start = i === 0 ? 0 : (columns.nameEnd[i - 1] as number);
    const linkStart = (columns.nameEnd[i] as number) - (columns.linkLength[i] as number);
    name = name.slice(0, columns.shared[i]) + names.toString("latin1", start, linkStart);
    if (i >= first) yield entryAt(columns, i, name, names.toString("latin1", linkStart, columns.nameEnd[i]));
  }
}

function entryAt(columns: Columns, i: number, name: ByteString, linkName: ByteString): IndexedEntry {
  const type = columns.type[i] as TarType;
  const size = columns.size[i] as number;
  return {
    name,
    linkName,
    type,
    mode: columns.mode[i] as number,
    uid: columns.uid[i] as number,
    gid: columns.gid[i] as number,
    size: isDevice(type) ? 0 : size,
    deviceMajor: isDevice(type) ? Math.floor(size / MINOR_BASE) : 0,
    deviceMinor: isDevice(type) ? size % MINOR_BASE : 0,
    mtimeMs: columns.mtimeMs[i] as number,
    inode: columns.inode[i] as number,
    offset: columns.offset[i] as number,
    headerSize: (columns.headerRecords[i] as number) * RECORD_SIZE,
  };
}

/** Binary search: the number of the last entry that starts at or before `position`; 0 if there is none. */
function lastAtOrBefore(offsets: Float64Array, position: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] as number) <= position) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
