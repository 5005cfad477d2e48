import { Fault } from "../../src/errors/fault.ts";
import type { ByteString } from "../../src/go/byte-string.ts";
import { type Field, OTHER_TYPE, readNumber, TAR_TYPE, type TarType } from "../../src/go/tar-header.ts";

/** 1980-01-01T00:00:01Z in seconds, the mtime of every entry (docs/compatibility.md#tar-entries). */
export const MTIME_SECONDS = 315532801;

/** Longest PAX extended header or GNU long name, in bytes (archive/tar, maxSpecialFileSize). */
export const MAX_SPECIAL_SIZE = 1 << 20;

export interface EntryHeader {
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly type: number;
  readonly size: number | bigint;
  readonly mode: number | bigint;
  readonly uid: number | bigint;
  readonly gid: number | bigint;
  readonly deviceMajor: number | bigint;
  readonly deviceMinor: number | bigint;
  readonly accessTime?: TarTime | undefined;
  readonly changeTime?: TarTime | undefined;
  readonly records?: ReadonlyMap<ByteString, ByteString>;
  readonly format?: number;
}

export interface TarEntry extends EntryHeader {
  readonly type: TarType;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export interface TarTime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

/**
 * An entry as Go's archive/tar reads it (docs/compatibility.md#extension-tars). Numbers are bigints because the
 * base-256 form holds all of Go's int64.
 */
export interface ParsedEntry extends EntryHeader {
  readonly size: bigint;
  readonly mode: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly deviceMajor: bigint;
  readonly deviceMinor: bigint;
  readonly accessTime: TarTime | undefined;
  readonly changeTime: TarTime | undefined;
  readonly records: ReadonlyMap<ByteString, ByteString>;
  readonly format: number;
}

/** Go's guess at the format of an entry; no bit at all if an entry deviates from what its magic says. */
export const FORMAT = { unknown: 0, ustar: 1, pax: 2, gnu: 4 } as const;

export function isHeaderOnly(type: number): boolean {
  return type >= OTHER_TYPE.hardLink && type <= TAR_TYPE.fifo;
}

export function tarFault(reason: string): Fault {
  return new Fault("EXPORT_LAYER_BLOB", reason);
}

export function headerFault(reason: string): Fault {
  return new Fault("EXPORT_LAYER_HEADER", reason);
}

export function invalidHeader(): Fault {
  return tarFault("archive/tar: invalid tar header");
}

export function unexpectedEnd(): Fault {
  return tarFault("unexpected EOF");
}

export function cannotEncode(...reasons: readonly string[]): Fault {
  const given = reasons.filter((reason) => reason !== "");
  const why = given.length === 0 ? "" : `: ${given.join("; and ")}`;
  return headerFault(`archive/tar: cannot encode header${why}`);
}

export function numberIn(record: Buffer, field: Field): bigint {
  const value = readNumber(record, field);
  if (value === undefined) throw invalidHeader();
  return value;
}
