import { Fault } from "../faults/fault.ts";
import { type ByteString, isAscii } from "../oci/byte-string.ts";

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

/** Headers, and the padding of contents, come in records of this many bytes. */
export const RECORD_SIZE = 512;
/** A tar ends with exactly two zero records (contract 3.5). */
export const TRAILER_SIZE = 2 * RECORD_SIZE;

const PAX_TYPE = 0x78;
const NAME_SIZE = 100;
const PREFIX_SIZE = 155;
/** Largest number that 7 octal digits hold: the fields mode, uid, gid and devices. */
const MAX_OCTAL_7 = 0o7777777;
/** Largest number that 11 octal digits hold: the field size. */
const MAX_OCTAL_11 = 0o77777777777;
const MAX_PAX_RECORDS = 1 << 20;
/** 1980-01-01T00:00:01Z, the mtime of every entry (contract 3.1). */
const MTIME = "02263523001";

/** Bytes that an entry's contents take in the tar, padding included. */
export function paddedSize(size: number): number {
  return Math.ceil(size / RECORD_SIZE) * RECORD_SIZE;
}

/** Length in bytes of what {@link renderHeader} returns, without rendering it where that is the usual 512. */
export function headerSize(entry: TarEntry): number {
  return fitsUstar(entry) ? RECORD_SIZE : renderHeader(entry).length;
}

/**
 * The header records of an entry as Go's archive/tar writes them for a header without declared format: USTAR when every
 * field fits, else a PAX extended header before it (contract 3.5, 3.6).
 * @throws Fault when a device number is out of range or the PAX records exceed 1 MiB
 */
export function renderHeader(entry: TarEntry): Buffer {
  if (fitsUstar(entry)) {
    const split = splitName(entry.name);
    const block = Buffer.alloc(RECORD_SIZE);
    writeBlock(block, entry, split?.suffix ?? entry.name, entry.linkName, split?.prefix ?? "");
    return block;
  }
  const records = paxRecords(entry);
  const bytes = Buffer.alloc(2 * RECORD_SIZE + paddedSize(records.length));
  writePaxBlock(bytes.subarray(0, RECORD_SIZE), entry.name, records.length);
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

/** Splits a long ASCII name into the USTAR prefix and name fields (contract 3.6); undefined when that is not possible. */
function splitName(name: ByteString): { prefix: string; suffix: string } | undefined {
  if (name.length <= NAME_SIZE || !isAscii(name)) return undefined;
  let length = name.length;
  if (length > PREFIX_SIZE + 1) length = PREFIX_SIZE + 1;
  else if (name.endsWith("/")) length -= 1;
  const cut = name.lastIndexOf("/", length - 1);
  const suffixLength = name.length - cut - 1;
  if (cut <= 0 || suffixLength > NAME_SIZE || suffixLength === 0 || cut > PREFIX_SIZE) return undefined;
  return { prefix: name.slice(0, cut), suffix: name.slice(cut + 1) };
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
  if (records.length > MAX_PAX_RECORDS)
    throw new Fault("EXPORT_LAYER_HEADER", `archive/tar: header field too long: ${entry.name}`);
  return records;
}

function fitsOctal(value: number, max: number): boolean {
  return value >= 0 && value <= max;
}

function fitsField(text: ByteString): boolean {
  return text.length <= NAME_SIZE && isAscii(text);
}

/** `<len> <key>=<value>\n` where len counts itself. */
function paxRecord(key: string, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  if (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function writePaxBlock(block: Buffer, name: ByteString, recordsLength: number): void {
  const cut = name.lastIndexOf("/") + 1;
  const paxName = `${name.slice(0, cut)}PaxHeaders.0/${name.slice(cut)}`;
  block.write(dropNonAscii(paxName).slice(0, NAME_SIZE).replace(/\/+$/, ""), 0, "latin1");
  writeOctal(block, 100, 8, 0);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, recordsLength);
  writeOctal(block, 136, 12, 0);
  block[156] = PAX_TYPE;
  writeMagicAndChecksum(block);
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
  writeMagicAndChecksum(block);
}

/** Go's formatString: a name cut at 100 bytes must not end in the slash that would make old readers see a directory. */
function writeName(block: Buffer, offset: number, name: string): void {
  block.write(name.slice(0, NAME_SIZE), offset, "latin1");
  if (name.length > NAME_SIZE && name[NAME_SIZE - 1] === "/")
    block[offset + name.slice(0, NAME_SIZE - 1).replace(/\/+$/, "").length] = 0;
}

function writeOctal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(value.toString(8).padStart(width - 1, "0"), offset, "latin1");
}

function writeMagicAndChecksum(block: Buffer): void {
  block.write("ustar\0" + "00", 257, "latin1");
  block.write("        ", 148, "latin1");
  let sum = 0;
  for (let i = 0; i < RECORD_SIZE; i++) sum += block[i] as number;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}

/** Go's toASCII: characters outside ASCII vanish; in a byte string those are exactly the bytes above 0x7f. */
function dropNonAscii(text: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is dropped as Go drops it
  return isAscii(text) ? text : text.replace(/[\x00\x80-\xff]/g, "");
}
