import type { ByteString } from "./byte-string.ts";

/*
 * Header records of a tar as Go's archive/tar reads and writes them (docs/compatibility.md#tar-headers).
 */

/** Bytes of a record: headers, and contents with their padding, are multiples of it. */
export const RECORD_SIZE = 512;

export const TRAILER_SIZE = 2 * RECORD_SIZE;

export function paddedSize(size: number): number {
  return Math.ceil(size / RECORD_SIZE) * RECORD_SIZE;
}

export interface Field {
  readonly offset: number;
  readonly size: number;
}

export interface HeaderField extends Field {
  readonly octalLimit: number;
}

function field(offset: number, size: number): HeaderField {
  return { offset, size, octalLimit: 8 ** (size - 1) };
}

/** Schily's tar (star) and GNU tar have other fields in the place of the prefix. */
export const FIELD = {
  name: field(0, 100),
  mode: field(100, 8),
  uid: field(108, 8),
  gid: field(116, 8),
  size: field(124, 12),
  mtime: field(136, 12),
  checksum: field(148, 8),
  type: field(156, 1),
  linkName: field(157, 100),
  magic: field(257, 8),
  deviceMajor: field(329, 8),
  deviceMinor: field(337, 8),
  prefix: field(345, 155),
  starPrefix: field(345, 131),
  starAccessTime: field(476, 12),
  starChangeTime: field(488, 12),
  starTrailer: field(508, 4),
  gnuAccessTime: field(345, 12),
  gnuChangeTime: field(357, 12),
  gnuRealSize: field(483, 12),
} as const;

export const MAGIC = { ustar: "ustar\0" + "00", gnu: "ustar  \0" } as const;

export type Magic = (typeof MAGIC)[keyof typeof MAGIC];

export const TAR_TYPE = {
  file: 0x30,
  symlink: 0x32,
  charDevice: 0x33,
  blockDevice: 0x34,
  directory: 0x35,
  fifo: 0x36,
} as const;

export type TarType = (typeof TAR_TYPE)[keyof typeof TAR_TYPE];

export const OTHER_TYPE = {
  hardLink: 0x31,
  paxHeader: 0x78,
  paxGlobalHeader: 0x67,
  gnuLongName: 0x4c,
  gnuLongLink: 0x4b,
  gnuSparse: 0x53,
  oldFile: 0x00,
} as const;

export interface RecordValues {
  readonly name: ByteString;
  readonly type: number;
  readonly mode: number | bigint;
  readonly uid: number | bigint;
  readonly gid: number | bigint;
  readonly size: number | bigint;
  readonly linkName: ByteString;
  readonly deviceMajor: number | bigint | undefined;
  readonly deviceMinor: number | bigint | undefined;
}

/**
 * Writes the fields into a record of zeros; {@link sealRecord} completes it.
 * @param mtime seconds since 1970
 * @param name overrides the values' own
 */
export function writeRecord(record: Buffer, values: RecordValues, mtime: number, name = values.name): void {
  writeText(record, FIELD.name, name);
  writeNumber(record, FIELD.mode, values.mode);
  writeNumber(record, FIELD.uid, values.uid);
  writeNumber(record, FIELD.gid, values.gid);
  writeNumber(record, FIELD.size, values.size);
  writeNumber(record, FIELD.mtime, mtime);
  record[FIELD.type.offset] = values.type;
  writeText(record, FIELD.linkName, values.linkName);
  if (values.deviceMajor !== undefined) writeNumber(record, FIELD.deviceMajor, values.deviceMajor);
  if (values.deviceMinor !== undefined) writeNumber(record, FIELD.deviceMinor, values.deviceMinor);
}

export function sealRecord(record: Buffer, magic: Magic): void {
  record.write(magic, FIELD.magic.offset, "latin1");
  const { offset } = FIELD.checksum;
  writeOctal(record, { offset, size: 7 }, checksum(record));
  record[offset + 6] = 0;
  record[offset + 7] = 0x20;
}

function checksum(record: Buffer): number {
  const { offset, size } = FIELD.checksum;
  let sum = size * 0x20;
  for (let i = 0; i < offset; i++) sum += record[i] as number;
  for (let i = offset + size; i < RECORD_SIZE; i++) sum += record[i] as number;
  return sum;
}

export function hasValidChecksum(record: Buffer): boolean {
  const { offset, size } = FIELD.checksum;
  const given = readOctal(record, FIELD.checksum);
  const sum = checksum(record);
  let negative = 0;
  for (let i = 0; i < RECORD_SIZE; i++)
    if ((record[i] as number) >= 0x80 && (i < offset || i >= offset + size)) negative += 1;
  return given === BigInt(sum) || given === BigInt(sum - 0x100 * negative);
}

/** Go's formatString: a text cut at its field's end must not end in a slash, which old readers take for a directory. */
export function writeText(record: Buffer, { offset, size }: Field, text: ByteString): void {
  if (text.length <= size) {
    record.write(text, offset, "latin1");
    return;
  }
  const cut = text.slice(0, size);
  record.write(cut, offset, "latin1");
  if (cut.endsWith("/")) record[offset + cut.replace(/\/+$/, "").length] = 0;
}

export function readText(record: Buffer, { offset, size }: Field): ByteString {
  const end = record.indexOf(0, offset);
  return record.toString("latin1", offset, end < 0 ? offset + size : Math.min(end, offset + size));
}

export function fitsOctal({ octalLimit }: HeaderField, value: number | bigint): boolean {
  return value >= 0 && value < octalLimit;
}

export function fitsBase256({ size }: Field, value: number | bigint): boolean {
  const limit = 256 ** (size - 1);
  return value >= -limit && value < limit;
}

export function writeNumber(record: Buffer, to: HeaderField, value: number | bigint): void {
  if (fitsOctal(to, value)) writeOctal(record, to, Number(value));
  else writeBase256(record, to, BigInt(value));
}

function writeOctal(record: Buffer, { offset, size }: Field, value: number): void {
  let rest = value;
  for (let i = offset + size - 2; i >= offset; i--) {
    const next = Math.floor(rest / 8);
    record[i] = 0x30 + rest - 8 * next;
    rest = next;
  }
}

function writeBase256(record: Buffer, { offset, size }: Field, value: bigint): void {
  let rest = value;
  for (let i = offset + size - 1; i >= offset; i--) {
    record[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  record[offset] = (record[offset] as number) | 0x80;
}

/**
 * A number in octal digits or, if the first bit is set, in base 256: two's complement, big-endian. Undefined if it is
 * neither, or exceeds 63 bits.
 */
export function readNumber(record: Buffer, from: Field): bigint | undefined {
  const first = record[from.offset] as number;
  if ((first & 0x80) === 0) return readOctal(record, from);
  const inverted = (first & 0x40) === 0 ? 0x00 : 0xff;
  let value = BigInt((first ^ inverted) & 0x7f);
  for (let i = 1; i < from.size; i++) value = (value << 8n) | BigInt((record[from.offset + i] as number) ^ inverted);
  if (value >> 63n !== 0n) return undefined;
  return inverted === 0 ? value : -value - 1n;
}

function readOctal(record: Buffer, { offset, size }: Field): bigint | undefined {
  const text = record.toString("latin1", offset, offset + size);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: fields are padded with NULs
  const [digits = ""] = text.replace(/^[ \x00]+|[ \x00]+$/g, "").split("\0");
  if (digits === "") return 0n;
  return /^[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : undefined;
}
