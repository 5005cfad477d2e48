import type { ByteString } from "../oci/byte-string.ts";
import { lastAtOrBefore } from "./last-at-or-before.ts";
import type { TarEntry } from "./tar-header.ts";
import { readSegment, type TarIndexSegment } from "./tar-index-segment.ts";

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
