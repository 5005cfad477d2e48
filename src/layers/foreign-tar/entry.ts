import { Fault } from "../../faults/fault.ts";
import type { ByteString } from "../../oci/byte-string.ts";

/** Seconds and nanoseconds since 1970; nanoseconds count forwards, also before that. */
export interface TarTime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

/**
 * The header of an entry as Go's archive/tar reads it, without the fields that the copy drops: mtime, user and group
 * name (docs/compatibility.md#extension-tars). Numbers are bigints because the base-256 form holds all of Go's int64.
 */
export interface ForeignEntry {
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly type: number;
  /** Bytes of its contents; what the header says, also for entries that have no contents. */
  readonly size: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly deviceMajor: bigint;
  readonly deviceMinor: bigint;
  readonly accessTime: TarTime | undefined;
  readonly changeTime: TarTime | undefined;
  /** Records of the PAX extended header before it, as byte strings. */
  readonly records: ReadonlyMap<ByteString, ByteString>;
  /** Bits of {@link FORMAT}. */
  readonly format: number;
}

/** Go's guess at the format of an entry; no bit at all where an entry is not quite what its magic says. */
export const FORMAT = { unknown: 0, ustar: 1, pax: 2, gnu: 4 } as const;

/** Typeflags of POSIX pax, then those of GNU tar, then one that old tars use for files and, with a slash, directories. */
export const FOREIGN_TYPE = {
  file: 0x30,
  hardLink: 0x31,
  charDevice: 0x33,
  blockDevice: 0x34,
  directory: 0x35,
  fifo: 0x36,
  paxHeader: 0x78,
  paxGlobalHeader: 0x67,
  gnuLongName: 0x4c,
  gnuLongLink: 0x4b,
  gnuSparse: 0x53,
  oldFile: 0x00,
} as const;

/** True for the types `1` to `6`, which have no contents even if their header gives a size. */
export function isHeaderOnly(type: number): boolean {
  return type >= FOREIGN_TYPE.hardLink && type <= FOREIGN_TYPE.fifo;
}

/** A tar that cannot be read, in archive/tar's words. */
export function tarFault(reason: string): Fault {
  return new Fault("EXPORT_LAYER_TAR", reason);
}

/** Go's ErrHeader. */
export function invalidHeader(): Fault {
  return tarFault("archive/tar: invalid tar header");
}

/** Go's io.ErrUnexpectedEOF: the tar ends in the middle of something. */
export function unexpectedEnd(): Fault {
  return tarFault("unexpected EOF");
}

/** An entry that can be read, but not be written. */
export function cannotEncode(...reasons: readonly string[]): Fault {
  const given = reasons.filter((reason) => reason !== "");
  const why = given.length === 0 ? "" : `: ${given.join("; and ")}`;
  return tarFault(`archive/tar: cannot encode header${why}`);
}
