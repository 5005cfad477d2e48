import { join } from "node:path/posix";
import { type ByteString, fromByteString, isAscii } from "../../src/go/byte-string.ts";
import { goQuote } from "../../src/go/format.ts";
import {
  cannotEncode,
  FOREIGN_TYPE,
  FORMAT,
  type ForeignEntry,
  fitsBase256,
  fitsOctal,
  type TarTime,
  tarFault,
  writeNumber,
} from "./entry.ts";
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
} from "./header.ts";
import { formatPaxTime, SPARSE } from "./pax.ts";

/** How an entry is to be written. */
export interface ChosenFormat {
  readonly format: (typeof FORMAT)["ustar" | "pax" | "gnu"];
  /** For its PAX extended header. */
  readonly records: ReadonlyMap<ByteString, ByteString>;
}

/** Records that say what a header says too; they are made anew where they are needed (archive/tar, basicKeys). */
const BASIC: ReadonlySet<string> = new Set([
  ...["path", "linkpath", "size", "uid", "gid", "uname", "gname"],
  ...["mtime", "atime", "ctime"],
]);

/** Types whose name must not end in a slash; links may point to directories. */
const NO_SLASH: ReadonlySet<number> = new Set([
  FOREIGN_TYPE.file,
  FOREIGN_TYPE.charDevice,
  FOREIGN_TYPE.blockDevice,
  FOREIGN_TYPE.fifo,
]);

/** Go's zero time, the first second of the year 1: for its writer the same as none. */
const ZERO_TIME_SECONDS = -62135596800n;

/**
 * The first of USTAR, PAX and GNU that can hold the entry and that the format which it was read in allows; PAX allows USTAR
 * too, unless there is a time that it would lose (archive/tar, allowedFormats).
 * @throws Fault with the reasons when there is none
 */
export function chooseFormat(entry: ForeignEntry): ChosenFormat {
  if (NO_SLASH.has(entry.type) && entry.name.endsWith("/")) throw cannotEncode("filename may not have trailing slash");
  if (entry.name.includes("\0")) throw cannotEncode(`invalid PAX record: ${goQuote(`path = ${entry.name}`)}`);
  const check = new FormatCheck(entry.records);
  check.text("Name", "path", entry.name);
  check.text("Linkname", "linkpath", entry.linkName);
  // The reference clears both before it writes.
  check.text("Uname", "uname", "");
  check.text("Gname", "gname", "");
  check.number("Mode", undefined, 8, entry.mode);
  check.number("Uid", "uid", 8, entry.uid);
  check.number("Gid", "gid", 8, entry.gid);
  check.number("Size", "size", 12, entry.size);
  check.number("Devmajor", undefined, 8, entry.deviceMajor);
  check.number("Devminor", undefined, 8, entry.deviceMinor);
  check.keepIfEqual("mtime", String(MTIME_SECONDS));
  check.time("atime", entry.accessTime);
  check.time("ctime", entry.changeTime);
  check.otherRecords();
  return check.choose(entry.format);
}

/** Finds out field by field which formats are left, and which records PAX needs. */
class FormatCheck {
  readonly #given: ReadonlyMap<ByteString, ByteString>;
  readonly #needed = new Map<ByteString, ByteString>();
  readonly #why = { ustar: "", pax: "", gnu: "", onlyPax: "" };
  #allowed = FORMAT.ustar | FORMAT.pax | FORMAT.gnu;
  #prefersPax = false;

  constructor(given: ReadonlyMap<ByteString, ByteString>) {
    this.#given = given;
  }

  text(label: string, key: string, text: ByteString): void {
    if (text.length > NAME_SIZE || !isAscii(text)) {
      if (key !== "path" || splitName(text) === undefined)
        this.#exclude("ustar", `${label}=${goQuote(fromByteString(text))}`);
      this.#needed.set(key, text);
    }
    this.keepIfEqual(key, text);
  }

  /** @param key of its PAX record; undefined if there is none for it */
  number(label: string, key: string | undefined, width: number, value: bigint): void {
    if (!fitsBase256(width, value)) this.#exclude("gnu", `${label}=${value}`);
    if (!fitsOctal(width, value)) {
      this.#exclude("ustar", `${label}=${value}`);
      if (key === undefined) this.#exclude("pax", `${label}=${value}`);
      else this.#needed.set(key, String(value));
    }
    if (key !== undefined) this.keepIfEqual(key, String(value));
  }

  time(key: string, time: TarTime | undefined): void {
    if (time === undefined || (time.seconds === ZERO_TIME_SECONDS && time.nanoseconds === 0)) return;
    this.#allowed &= ~FORMAT.ustar;
    this.#prefersPax = true;
    this.#needed.set(key, formatPaxTime(time));
  }

  /** A record that was there stays if it still says the same, needed or not. */
  keepIfEqual(key: string, value: ByteString): void {
    if (this.#given.get(key) === value) this.#needed.set(key, value);
  }

  otherRecords(): void {
    if (this.#given.size === 0) return;
    for (const [key, value] of this.#given)
      if (!this.#needed.has(key) && !BASIC.has(key) && !key.startsWith(SPARSE.prefix)) this.#needed.set(key, value);
    this.#why.onlyPax = "only PAX supports PAXRecords";
    this.#allowed &= FORMAT.pax;
  }

  choose(wanted: number): ChosenFormat {
    const withUstar = (wanted & FORMAT.pax) !== 0 && !this.#prefersPax ? wanted | FORMAT.ustar : wanted;
    const allowed = wanted === FORMAT.unknown ? this.#allowed : this.#allowed & withUstar;
    for (const format of [FORMAT.ustar, FORMAT.pax, FORMAT.gnu])
      if ((allowed & format) !== 0) return { format, records: this.#needed };
    const { ustar, pax, gnu, onlyPax } = this.#why;
    if (wanted === FORMAT.ustar) throw cannotEncode("Format specifies USTAR", ustar, onlyPax);
    if (wanted === FORMAT.pax) throw cannotEncode("Format specifies PAX", pax);
    if (wanted === FORMAT.gnu) throw cannotEncode("Format specifies GNU", gnu, onlyPax);
    throw cannotEncode(ustar, pax, gnu, onlyPax);
  }

  #exclude(format: "ustar" | "pax" | "gnu", field: string): void {
    this.#why[format] = `${format.toUpperCase()} cannot encode ${field}`;
    this.#allowed &= ~FORMAT[format];
  }
}

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
