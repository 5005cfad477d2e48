import { type ByteString, isAscii } from "../oci/byte-string.ts";

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
