import { Fault } from "../faults/fault.ts";
import { type ByteString, isAscii } from "../oci/byte-string.ts";
import {
  dropNonAscii,
  MAGIC,
  MAX_OCTAL_7,
  MAX_OCTAL_11,
  MAX_SPECIAL_SIZE,
  MTIME_SECONDS,
  NAME_SIZE,
  paddedSize,
  paxRecord,
  RECORD_SIZE,
  sealBlock,
  specialHeader,
  splitName,
  writeName,
  writeOctal,
} from "./tar-fields.ts";

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
