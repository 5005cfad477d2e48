import { type ByteString, isAscii } from "../../oci/byte-string.ts";
import { MAGIC } from "../tar-fields.ts";
import { FORMAT, type ForeignEntry, invalidHeader, type TarTime } from "./entry.ts";
import { parseNumber, parseOctal, parseText } from "./fields.ts";

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
