import { Fault } from "../../src/errors/fault.ts";
import { type ByteString, isAscii } from "../../src/go/byte-string.ts";
import { MAGIC } from "./header.ts";

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

/** The bytes of a field up to its first NUL. */
export function parseText(field: Buffer): ByteString {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length : end);
}

/**
 * A number in octal digits or, where the first bit is set, in GNU's base 256: two's complement, big-endian.
 * @throws Fault when it is neither, or exceeds 63 bits
 */
export function parseNumber(field: Buffer): bigint {
  const first = field[0] as number;
  if ((first & 0x80) === 0) return parseOctal(field);
  const inverted = (first & 0x40) === 0 ? 0x00 : 0xff;
  let value = 0n;
  for (const [i, byte] of field.entries()) {
    const digit = i === 0 ? (byte ^ inverted) & 0x7f : byte ^ inverted;
    value = (value << 8n) | BigInt(digit);
  }
  if (value >> 63n !== 0n) throw invalidHeader();
  return inverted === 0 ? value : -value - 1n;
}

/** Octal digits with any number of spaces and NULs around them; nothing is 0. */
export function parseOctal(field: Buffer): bigint {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: fields are padded with NULs
  const digits = parseText(Buffer.from(field.toString("latin1").replace(/^[ \x00]+|[ \x00]+$/g, ""), "latin1"));
  if (digits === "") return 0n;
  if (!/^[0-7]+$/.test(digits)) throw invalidHeader();
  return BigInt(`0o${digits}`);
}

const MAX_INT64 = 2n ** 63n - 1n;

/** Go's ParseInt in base 10 with 64 bits. @throws Fault when it is none */
export function parseDecimal(text: ByteString): bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) throw invalidHeader();
  const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text.replace("+", ""));
  if (value > MAX_INT64 || value < -MAX_INT64 - 1n) throw invalidHeader();
  return value;
}

/** True when `width` bytes hold the number in octal digits and a NUL. */
export function fitsOctal(width: number, value: bigint): boolean {
  return value >= 0n && value < 1n << BigInt((width - 1) * 3);
}

/** True when `width` bytes hold the number in base 256, whose first byte says no more than the sign. */
export function fitsBase256(width: number, value: bigint): boolean {
  const limit = 1n << BigInt((width - 1) * 8);
  return value >= -limit && value < limit;
}

/** Writes a number that {@link fitsBase256}: in GNU's base 256 where octal digits do not hold it. */
export function writeNumber(block: Buffer, offset: number, width: number, value: bigint): void {
  if (fitsOctal(width, value)) {
    block.write(value.toString(8).padStart(width - 1, "0"), offset, "latin1");
    return;
  }
  let rest = value;
  for (let i = offset + width - 1; i >= offset; i--) {
    block[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = (block[offset] as number) | 0x80;
}

/** The end of a header of Schily's tar, whose prefix is shorter and followed by times. */
const STAR_TRAILER = "tar\0";

type Magic = "ustar" | "star" | "gnu" | "v7";

/** What a header record says, before any PAX record or long name is applied. */
export type HeaderBlock = Omit<ForeignEntry, "records">;

/**
 * Reads a header record as archive/tar does (readHeader): liberal in what it takes, but then the format is unknown.
 * @param block 512 bytes, not all zero
 * @throws Fault when the checksum is wrong or a number is none
 */
export function parseHeaderBlock(block: Buffer): HeaderBlock {
  checkSum(block);
  const magic = magicOf(block);
  const text = (offset: number, length: number): ByteString => parseText(block.subarray(offset, offset + length));
  const number = (offset: number, length: number): bigint => parseNumber(block.subarray(offset, offset + length));
  const entry = {
    name: text(0, 100),
    linkName: text(157, 100),
    type: block[156] as number,
    size: number(124, 12),
    mode: number(100, 8),
    uid: number(108, 8),
    gid: number(116, 8),
    deviceMajor: 0n,
    deviceMinor: 0n,
    accessTime: undefined,
    changeTime: undefined,
    format: FORMAT.unknown,
  };
  // Not kept, as below the times of Schily's tar, but one that is no number makes the header invalid.
  number(136, 12);
  if (magic === "v7") return entry;
  const full = { ...entry, deviceMajor: number(329, 8), deviceMinor: number(337, 8) };
  if (magic === "ustar") {
    const format = isStrictUstar(block) ? FORMAT.ustar | FORMAT.pax : FORMAT.unknown;
    return { ...full, name: prefixed(text(345, 155), full.name), format };
  }
  if (magic === "gnu") return gnuEntry(block, full);
  for (const time of [476, 488]) number(time, 12);
  return { ...full, name: prefixed(text(345, 131), full.name) };
}

/** Sums of signed bytes are taken too, which old Suns wrote. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  let signed = 0;
  for (const [i, byte] of block.entries()) {
    const counted = i >= 148 && i < 156 ? 0x20 : byte;
    unsigned += counted;
    signed += (counted << 24) >> 24;
  }
  const sum = parseOctal(block.subarray(148, 156));
  if (sum !== BigInt(unsigned) && sum !== BigInt(signed)) throw invalidHeader();
}

function magicOf(block: Buffer): Magic {
  const magic = block.toString("latin1", 257, 265);
  if (magic.startsWith(MAGIC.ustar.slice(0, 6)))
    return block.toString("latin1", 508, 512) === STAR_TRAILER ? "star" : "ustar";
  return magic === MAGIC.gnu ? "gnu" : "v7";
}

/** True when a header record has GNU's magic, whatever else is in it. */
export function isGnu(block: Buffer): boolean {
  return magicOf(block) === "gnu";
}

/** Offsets of the last bytes of size, mode, uid, gid, mtime and the device numbers, which are NUL in a strict header. */
const NUMBER_ENDS = [135, 107, 115, 123, 147, 336, 344];

function isStrictUstar(block: Buffer): boolean {
  return block.every((byte) => byte < 0x80) && NUMBER_ENDS.every((end) => block[end] === 0);
}

/** Where Go before 1.8 wrote a prefix in the place of the times, the name has it, and the entry is not GNU's. */
function gnuEntry(block: Buffer, entry: HeaderBlock): HeaderBlock {
  try {
    const accessTime = gnuTime(block.subarray(345, 357));
    const changeTime = gnuTime(block.subarray(357, 369));
    return { ...entry, accessTime, changeTime, format: FORMAT.gnu };
  } catch {
    const prefix = parseText(block.subarray(345, 500));
    return isAscii(prefix) ? { ...entry, name: prefixed(prefix, entry.name) } : entry;
  }
}

function gnuTime(field: Buffer): TarTime | undefined {
  return field[0] === 0 ? undefined : { seconds: parseNumber(field), nanoseconds: 0 };
}

function prefixed(prefix: ByteString, name: ByteString): ByteString {
  return prefix === "" ? name : `${prefix}/${name}`;
}
