import { join } from "node:path/posix";
import type { ByteString } from "../../oci/byte-string.ts";
import {
  dropNonAscii,
  MAGIC,
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
} from "../tar-fields.ts";
import { chooseFormat } from "./choose-format.ts";
import { FOREIGN_TYPE, FORMAT, type ForeignEntry, type TarTime, tarFault } from "./entry.ts";
import { fitsOctal, writeNumber } from "./fields.ts";

/**
 * The header records of an entry as Go's archive/tar rewrites them in the format they were read in, with the mtime of
 * all entries and without user and group names (docs/compatibility.md#extension-tars).
 * @throws Fault if no allowed format can hold it
 */
export function encodeHeader(entry: ForeignEntry): Buffer {
  const { format, records } = chooseFormat(entry);
  if (format === FORMAT.ustar) return ustarHeader(entry);
  return format === FORMAT.pax ? paxHeader(entry, records) : gnuHeader(entry);
}

type NumberWriter = (block: Buffer, offset: number, width: number, value: bigint) => void;

/** What is at the same place in all formats. */
function template(entry: ForeignEntry, name: ByteString, linkName: ByteString, write: NumberWriter): Buffer {
  const block = Buffer.alloc(RECORD_SIZE);
  writeName(block, 0, name);
  write(block, 100, 8, entry.mode);
  write(block, 108, 8, entry.uid);
  write(block, 116, 8, entry.gid);
  write(block, 124, 12, entry.size);
  write(block, 136, 12, BigInt(MTIME_SECONDS));
  block[156] = entry.type;
  writeName(block, 157, linkName);
  write(block, 329, 8, entry.deviceMajor);
  write(block, 337, 8, entry.deviceMinor);
  return block;
}

/** What does not fit is in a record of its own, or is refused before. */
const octalOrZero: NumberWriter = (block, offset, width, value) => {
  writeOctal(block, offset, width, fitsOctal(width, value) ? value : 0);
};

function ustarHeader(entry: ForeignEntry): Buffer {
  const split = splitName(entry.name);
  const block = template(entry, split?.suffix ?? entry.name, entry.linkName, octalOrZero);
  block.write(split?.prefix ?? "", 345, "latin1");
  sealBlock(block, MAGIC.ustar);
  return block;
}

function paxHeader(entry: ForeignEntry, records: ReadonlyMap<ByteString, ByteString>): Buffer {
  const block = template(entry, dropNonAscii(entry.name), dropNonAscii(entry.linkName), octalOrZero);
  sealBlock(block, MAGIC.ustar);
  if (records.size === 0) return block;
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const contents = sorted.map(([key, value]) => paxRecord(key, value)).join("");
  if (contents.length > MAX_SPECIAL_SIZE) throw tarFault("archive/tar: header field too long");
  const cut = entry.name.lastIndexOf("/") + 1;
  const name = join(entry.name.slice(0, cut), "PaxHeaders.0", entry.name.slice(cut));
  return Buffer.concat([special(name, FOREIGN_TYPE.paxHeader, contents, MAGIC.ustar), block]);
}

function gnuHeader(entry: ForeignEntry): Buffer {
  const block = template(entry, entry.name, entry.linkName, writeNumber);
  writeTime(block, 345, entry.accessTime);
  writeTime(block, 357, entry.changeTime);
  sealBlock(block, MAGIC.gnu);
  return Buffer.concat([
    ...longName(entry.name, FOREIGN_TYPE.gnuLongName),
    ...longName(entry.linkName, FOREIGN_TYPE.gnuLongLink),
    block,
  ]);
}

function writeTime(block: Buffer, offset: number, time: TarTime | undefined): void {
  if (time !== undefined) writeNumber(block, offset, 12, time.seconds);
}

function longName(name: ByteString, type: number): Buffer[] {
  return name.length > NAME_SIZE ? [special("././@LongLink", type, `${name}\0`, MAGIC.gnu)] : [];
}

function special(name: ByteString, type: number, contents: ByteString, magic: Parameters<typeof specialHeader>[3]) {
  const bytes = Buffer.alloc(RECORD_SIZE + paddedSize(contents.length));
  specialHeader(name, type, contents.length, magic).copy(bytes);
  bytes.write(contents, RECORD_SIZE, "latin1");
  return bytes;
}
