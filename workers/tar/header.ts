import { Fault } from "../../src/errors/fault.ts";
import { type ByteString, isAscii } from "../../src/go/byte-string.ts";

/** Headers, and the padding of contents, come in records of this many bytes. */
export const RECORD_SIZE = 512;
/** A tar ends with exactly two zero records (docs/compatibility.md#tar-headers). */
export const TRAILER_SIZE = 2 * RECORD_SIZE;
/** Bytes of the fields for a name and for the target of a link. */
export const NAME_SIZE = 100;
/** Largest number that 7 octal digits hold: the fields mode, uid, gid and devices. */
export const MAX_OCTAL_7 = 0o7777777;
/** Largest number that 11 octal digits hold: the fields size and mtime. */
export const MAX_OCTAL_11 = 0o77777777777;
/** Longest contents of a PAX extended header or of a GNU long name, in bytes (archive/tar, maxSpecialFileSize). */
export const MAX_SPECIAL_SIZE = 1 << 20;
/** 1980-01-01T00:00:01Z in seconds, the mtime of every entry (docs/compatibility.md#tar-entries). */
export const MTIME_SECONDS = 315532801;

const PREFIX_SIZE = 155;

/** The magic and version fields. */
export const MAGIC = { ustar: "ustar\0" + "00", gnu: "ustar  \0" } as const;

/** Bytes that an entry's contents take in the tar, padding included. */
export function paddedSize(size: number): number {
  return Math.ceil(size / RECORD_SIZE) * RECORD_SIZE;
}

/**
 * Splits a long ASCII name into the USTAR fields prefix and name; undefined if that is not possible
 * (docs/compatibility.md#ustar-and-pax).
 */
export function splitName(name: ByteString): { prefix: string; suffix: string } | undefined {
  if (name.length <= NAME_SIZE || !isAscii(name)) return undefined;
  let length = name.length;
  if (length > PREFIX_SIZE + 1) length = PREFIX_SIZE + 1;
  else if (name.endsWith("/")) length -= 1;
  const cut = name.lastIndexOf("/", length - 1);
  const suffixLength = name.length - cut - 1;
  if (cut <= 0 || suffixLength > NAME_SIZE || suffixLength === 0 || cut > PREFIX_SIZE) return undefined;
  return { prefix: name.slice(0, cut), suffix: name.slice(cut + 1) };
}

/** Go's toASCII: characters outside ASCII vanish; in a byte string those are exactly the bytes above 0x7f. */
export function dropNonAscii(text: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is dropped as Go drops it
  return isAscii(text) ? text : text.replace(/[\x00\x80-\xff]/g, "");
}

/** `<len> <key>=<value>\n` where len counts itself. */
export function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  if (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Go's formatString: a name cut at 100 bytes must not end in the slash that would make old readers see a directory. */
export function writeName(block: Buffer, offset: number, name: ByteString): void {
  block.write(name.slice(0, NAME_SIZE), offset, "latin1");
  if (name.length > NAME_SIZE && name[NAME_SIZE - 1] === "/")
    block[offset + name.slice(0, NAME_SIZE - 1).replace(/\/+$/, "").length] = 0;
}

/** A number in octal digits, one byte shorter than its field. */
export function writeOctal(block: Buffer, offset: number, width: number, value: number | bigint): void {
  block.write(value.toString(8).padStart(width - 1, "0"), offset, "latin1");
}

/**
 * The record before the contents of a PAX extended header or of a GNU long name (archive/tar, writeRawFile).
 * @param length bytes of the contents
 */
export function specialHeader(
  name: ByteString,
  type: number,
  length: number,
  magic: (typeof MAGIC)[keyof typeof MAGIC],
): Buffer {
  const block = Buffer.alloc(RECORD_SIZE);
  block.write(dropNonAscii(name).slice(0, NAME_SIZE).replace(/\/+$/, ""), 0, "latin1");
  writeOctal(block, 100, 8, 0);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, length);
  writeOctal(block, 136, 12, 0);
  block[156] = type;
  sealBlock(block, magic);
  return block;
}

/** Writes magic, version and checksum into a header record that is complete otherwise. */
export function sealBlock(block: Buffer, magic: (typeof MAGIC)[keyof typeof MAGIC]): void {
  block.write(magic, 257, "latin1");
  block.write("        ", 148, "latin1");
  let sum = 0;
  for (let i = 0; i < RECORD_SIZE; i++) sum += block[i] as number;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}

/** What a tar entry says of itself. `name` and `linkName` are byte strings; `size` is in bytes. */
export interface TarEntry {
  readonly name: ByteString;
  readonly type: TarType;
  /** Permission, setuid, setgid and sticky bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly linkName: ByteString;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

/** Typeflags (POSIX pax, ustar interchange format) that a layer's tar can hold; hard links are written as files. */
export const TAR_TYPE = {
  file: 0x30,
  symlink: 0x32,
  charDevice: 0x33,
  blockDevice: 0x34,
  directory: 0x35,
  fifo: 0x36,
} as const;
export type TarType = (typeof TAR_TYPE)[keyof typeof TAR_TYPE];

const PAX_TYPE = 0x78;
const MTIME = MTIME_SECONDS.toString(8).padStart(11, "0");

/** Length in bytes of what {@link renderHeader} returns, without rendering it where that is the usual 512. */
export function headerSize(entry: TarEntry): number {
  return fitsUstar(entry) ? RECORD_SIZE : renderHeader(entry).length;
}

/**
 * The header records of an entry as Go's archive/tar writes them for a header without declared format: USTAR when every
 * field fits, else a PAX extended header before it (docs/compatibility.md#tar-headers,
 * docs/compatibility.md#ustar-and-pax).
 * @param record where a header of one record, as most are, is rendered and returned
 * @throws Fault when a device number is out of range or the PAX records exceed 1 MiB
 */
export function renderHeader(entry: TarEntry, record: Buffer = Buffer.alloc(RECORD_SIZE)): Buffer {
  if (fitsUstar(entry)) {
    const split = splitName(entry.name);
    record.fill(0);
    writeBlock(record, entry, split?.suffix ?? entry.name, entry.linkName, split?.prefix ?? "");
    return record;
  }
  const records = paxRecords(entry);
  const bytes = Buffer.alloc(2 * RECORD_SIZE + paddedSize(records.length));
  specialHeader(paxName(entry.name), PAX_TYPE, records.length, MAGIC.ustar).copy(bytes);
  bytes.write(records, RECORD_SIZE, "latin1");
  const block = bytes.subarray(bytes.length - RECORD_SIZE);
  writeBlock(block, entry, dropNonAscii(entry.name), dropNonAscii(entry.linkName), "");
  return bytes;
}

function fitsUstar(entry: TarEntry): boolean {
  return (
    (entry.name.length <= NAME_SIZE ? isAscii(entry.name) : splitName(entry.name) !== undefined) &&
    entry.linkName.length <= NAME_SIZE &&
    isAscii(entry.linkName) &&
    entry.uid >= 0 &&
    entry.uid <= MAX_OCTAL_7 &&
    entry.gid >= 0 &&
    entry.gid <= MAX_OCTAL_7 &&
    entry.size <= MAX_OCTAL_11 &&
    entry.deviceMajor <= MAX_OCTAL_7 &&
    entry.deviceMinor <= MAX_OCTAL_7
  );
}

function paxRecords(entry: TarEntry): ByteString {
  if (entry.deviceMajor > MAX_OCTAL_7 || entry.deviceMinor > MAX_OCTAL_7)
    throw new Fault(
      "EXPORT_LAYER_DEVICE",
      `archive/tar: cannot encode header: device number out of range: ${entry.name}`,
    );
  let records = "";
  // The keys are in byte order already, as Go sorts them.
  if (!fitsOctal(entry.gid, MAX_OCTAL_7)) records += paxRecord("gid", String(entry.gid));
  if (!fitsField(entry.linkName)) records += paxRecord("linkpath", entry.linkName);
  if (!fitsField(entry.name)) records += paxRecord("path", entry.name);
  if (!fitsOctal(entry.size, MAX_OCTAL_11)) records += paxRecord("size", String(entry.size));
  if (!fitsOctal(entry.uid, MAX_OCTAL_7)) records += paxRecord("uid", String(entry.uid));
  if (records.length > MAX_SPECIAL_SIZE)
    throw new Fault("EXPORT_LAYER_HEADER", `archive/tar: header field too long: ${entry.name}`);
  return records;
}

function fitsOctal(value: number, max: number): boolean {
  return value >= 0 && value <= max;
}

function fitsField(text: ByteString): boolean {
  return text.length <= NAME_SIZE && isAscii(text);
}

function paxName(name: ByteString): ByteString {
  const cut = name.lastIndexOf("/") + 1;
  return `${name.slice(0, cut)}PaxHeaders.0/${name.slice(cut)}`;
}

function writeBlock(block: Buffer, entry: TarEntry, name: string, linkName: string, prefix: string): void {
  writeName(block, 0, name);
  writeOctal(block, 100, 8, entry.mode);
  writeOctal(block, 108, 8, fitsOctal(entry.uid, MAX_OCTAL_7) ? entry.uid : 0);
  writeOctal(block, 116, 8, fitsOctal(entry.gid, MAX_OCTAL_7) ? entry.gid : 0);
  writeOctal(block, 124, 12, fitsOctal(entry.size, MAX_OCTAL_11) ? entry.size : 0);
  block.write(MTIME, 136, "latin1");
  block[156] = entry.type;
  writeName(block, 157, linkName);
  writeOctal(block, 329, 8, entry.deviceMajor);
  writeOctal(block, 337, 8, entry.deviceMinor);
  block.write(prefix, 345, "latin1");
  sealBlock(block, MAGIC.ustar);
}
