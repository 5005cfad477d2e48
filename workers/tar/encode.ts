import { join } from "node:path/posix";
import { type ByteString, fromByteString, isAscii } from "../../src/go/byte-string.ts";
import { goQuote } from "../../src/go/format.ts";
import {
  FIELD,
  fitsBase256,
  fitsOctal,
  type HeaderField,
  MAGIC,
  type Magic,
  OTHER_TYPE,
  paddedSize,
  RECORD_SIZE,
  sealRecord,
  TAR_TYPE,
  writeNumber,
  writeRecord,
  writeText,
} from "../../src/go/tar-header.ts";
import {
  cannotEncode,
  type EntryHeader,
  FORMAT,
  headerFault,
  MAX_SPECIAL_SIZE,
  MTIME_SECONDS,
  type TarEntry,
  type TarTime,
} from "./entry.ts";
import { formatPaxTime, paxRecord, SPARSE } from "./pax.ts";

export function headerSize(entry: TarEntry): number {
  if (fitsUstar(entry)) return RECORD_SIZE;
  return paxHeaderSize(encodeRecords(chooseFormat(entry).records));
}

/**
 * The header records of an entry as Go's archive/tar writes them, with the mtime of all entries and without user and
 * group names. Entries of layers that are built here are USTAR or PAX (docs/compatibility.md#ustar-and-pax), others
 * keep the format they were read in (docs/compatibility.md#extension-tars).
 * @param record receives a header of one record, as most are
 * @throws Fault if no allowed format can hold the entry
 */
export function encodeHeader(entry: EntryHeader, record: Buffer = Buffer.alloc(RECORD_SIZE)): Buffer {
  if (entry.format === undefined && fitsUstar(entry)) return ustarHeader(entry, record);
  const { format, records } = chooseFormat(entry);
  if (format === FORMAT.ustar) return ustarHeader(entry, record);
  return format === FORMAT.pax ? paxHeader(entry, records) : gnuHeader(entry, record);
}

function ustarHeader(entry: EntryHeader, record: Buffer): Buffer {
  const split = splitName(entry.name);
  record.fill(0);
  writeRecord(record, entry, MTIME_SECONDS, split?.suffix);
  if (split !== undefined) writeText(record, FIELD.prefix, split.prefix);
  sealRecord(record, MAGIC.ustar);
  return record;
}

function paxHeader(entry: EntryHeader, records: ReadonlyMap<ByteString, ByteString>): Buffer {
  const contents = encodeRecords(records);
  const bytes = Buffer.alloc(paxHeaderSize(contents));
  if (contents !== "") {
    const cut = entry.name.lastIndexOf("/") + 1;
    const name = join(entry.name.slice(0, cut), "PaxHeaders.0", entry.name.slice(cut));
    writeSpecial(bytes, name, OTHER_TYPE.paxHeader, contents, MAGIC.ustar);
  }
  const record = bytes.subarray(bytes.length - RECORD_SIZE);
  const orZero = (field: HeaderField, value: number | bigint) => (fitsOctal(field, value) ? value : 0);
  const values = {
    ...entry,
    name: dropNonAscii(entry.name),
    linkName: dropNonAscii(entry.linkName),
    uid: orZero(FIELD.uid, entry.uid),
    gid: orZero(FIELD.gid, entry.gid),
    size: orZero(FIELD.size, entry.size),
  };
  writeRecord(record, values, MTIME_SECONDS);
  sealRecord(record, MAGIC.ustar);
  return bytes;
}

function paxHeaderSize(contents: ByteString): number {
  return contents === "" ? RECORD_SIZE : 2 * RECORD_SIZE + paddedSize(contents.length);
}

function gnuHeader(entry: EntryHeader, record: Buffer): Buffer {
  record.fill(0);
  writeRecord(record, entry, MTIME_SECONDS);
  if (entry.accessTime !== undefined) writeNumber(record, FIELD.gnuAccessTime, entry.accessTime.seconds);
  if (entry.changeTime !== undefined) writeNumber(record, FIELD.gnuChangeTime, entry.changeTime.seconds);
  sealRecord(record, MAGIC.gnu);
  return Buffer.concat([
    ...longName(entry.name, OTHER_TYPE.gnuLongName),
    ...longName(entry.linkName, OTHER_TYPE.gnuLongLink),
    record,
  ]);
}

function longName(name: ByteString, type: number): Buffer[] {
  if (name.length <= FIELD.name.size) return [];
  const bytes = Buffer.alloc(RECORD_SIZE + paddedSize(name.length + 1));
  writeSpecial(bytes, "././@LongLink", type, `${name}\0`, MAGIC.gnu);
  return [bytes];
}

function writeSpecial(bytes: Buffer, name: ByteString, type: number, contents: ByteString, magic: Magic): void {
  const values = {
    name: dropNonAscii(name).slice(0, FIELD.name.size).replace(/\/+$/, ""),
    type,
    mode: 0,
    uid: 0,
    gid: 0,
    size: contents.length,
    linkName: "",
    deviceMajor: undefined,
    deviceMinor: undefined,
  };
  writeRecord(bytes, values, 0);
  sealRecord(bytes, magic);
  bytes.write(contents, RECORD_SIZE, "latin1");
}

function encodeRecords(records: ReadonlyMap<ByteString, ByteString>): ByteString {
  const sorted = [...records].sort(([a], [b]) => (a < b ? -1 : 1));
  const contents = sorted.map(([key, value]) => paxRecord(key, value)).join("");
  if (contents.length > MAX_SPECIAL_SIZE) throw headerFault("archive/tar: header field too long");
  return contents;
}

/** Go's toASCII: characters outside ASCII vanish; in a byte string those are the bytes above 0x7f. */
function dropNonAscii(text: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is dropped as Go drops it
  return isAscii(text) ? text : text.replace(/[\x00\x80-\xff]/g, "");
}

function splitName(name: ByteString): { readonly prefix: string; readonly suffix: string } | undefined {
  if (name.length <= FIELD.name.size || !isAscii(name)) return undefined;
  let length = name.length;
  if (length > FIELD.prefix.size + 1) length = FIELD.prefix.size + 1;
  else if (name.endsWith("/")) length -= 1;
  const cut = name.lastIndexOf("/", length - 1);
  const suffixLength = name.length - cut - 1;
  if (cut <= 0 || suffixLength > FIELD.name.size || suffixLength === 0 || cut > FIELD.prefix.size) return undefined;
  return { prefix: name.slice(0, cut), suffix: name.slice(cut + 1) };
}

function fitsName(text: ByteString): boolean {
  return text.length <= FIELD.name.size && isAscii(text);
}

function fitsUstar(entry: EntryHeader): boolean {
  return (
    (fitsName(entry.name) || splitName(entry.name) !== undefined) &&
    fitsName(entry.linkName) &&
    fitsOctal(FIELD.mode, entry.mode) &&
    fitsOctal(FIELD.uid, entry.uid) &&
    fitsOctal(FIELD.gid, entry.gid) &&
    fitsOctal(FIELD.size, entry.size) &&
    fitsOctal(FIELD.deviceMajor, entry.deviceMajor) &&
    fitsOctal(FIELD.deviceMinor, entry.deviceMinor)
  );
}

interface ChosenFormat {
  readonly format: (typeof FORMAT)["ustar" | "pax" | "gnu"];
  readonly records: ReadonlyMap<ByteString, ByteString>;
}

/** Records that repeat a field of the header; Go recreates them if they are needed (archive/tar, basicKeys). */
const BASIC: ReadonlySet<string> = new Set([
  ...["path", "linkpath", "size", "uid", "gid", "uname", "gname"],
  ...["mtime", "atime", "ctime"],
]);

const NO_SLASH: ReadonlySet<number> = new Set([
  TAR_TYPE.file,
  TAR_TYPE.charDevice,
  TAR_TYPE.blockDevice,
  TAR_TYPE.fifo,
]);

const ZERO_TIME_SECONDS = -62135596800n;

/**
 * The first of USTAR, PAX and GNU that can hold the entry and that the format it was read in allows; PAX allows USTAR
 * too, unless a time would be lost (archive/tar, allowedFormats).
 * @throws Fault with the reasons if there is none
 */
function chooseFormat(entry: EntryHeader): ChosenFormat {
  if (NO_SLASH.has(entry.type) && entry.name.endsWith("/")) throw cannotEncode("filename may not have trailing slash");
  if (entry.name.includes("\0")) throw cannotEncode(`invalid PAX record: ${goQuote(`path = ${entry.name}`)}`);
  const check = new FormatCheck(entry.records);
  check.text("Name", "path", entry.name);
  check.text("Linkname", "linkpath", entry.linkName);
  // The reference clears both before it writes.
  check.text("Uname", "uname", "");
  check.text("Gname", "gname", "");
  check.number("Mode", undefined, FIELD.mode, entry.mode);
  check.number("Uid", "uid", FIELD.uid, entry.uid);
  check.number("Gid", "gid", FIELD.gid, entry.gid);
  check.number("Size", "size", FIELD.size, entry.size);
  check.number("Devmajor", undefined, FIELD.deviceMajor, entry.deviceMajor);
  check.number("Devminor", undefined, FIELD.deviceMinor, entry.deviceMinor);
  check.keepIfEqual("mtime", MTIME_SECONDS);
  check.time("atime", entry.accessTime);
  check.time("ctime", entry.changeTime);
  check.otherRecords();
  return check.choose(entry.format ?? FORMAT.ustar | FORMAT.pax);
}

const NO_RECORDS: ReadonlyMap<ByteString, ByteString> = new Map();

class FormatCheck {
  readonly #given: ReadonlyMap<ByteString, ByteString>;
  readonly #needed = new Map<ByteString, ByteString>();
  readonly #excluding = new Map<"ustar" | "pax" | "gnu", () => string>();
  #allowed = FORMAT.ustar | FORMAT.pax | FORMAT.gnu;
  #prefersPax = false;

  constructor(given: ReadonlyMap<ByteString, ByteString> = NO_RECORDS) {
    this.#given = given;
  }

  text(label: string, key: string, text: ByteString): void {
    if (!fitsName(text)) {
      if (key !== "path" || splitName(text) === undefined)
        this.#exclude("ustar", () => `${label}=${goQuote(fromByteString(text))}`);
      this.#needed.set(key, text);
    }
    this.keepIfEqual(key, text);
  }

  number(label: string, key: string | undefined, field: HeaderField, value: number | bigint): void {
    const shown = () => `${label}=${value}`;
    if (!fitsBase256(field, value)) this.#exclude("gnu", shown);
    if (!fitsOctal(field, value)) {
      this.#exclude("ustar", shown);
      if (key === undefined) this.#exclude("pax", shown);
      else this.#needed.set(key, String(value));
    }
    if (key !== undefined) this.keepIfEqual(key, value);
  }

  time(key: string, time: TarTime | undefined): void {
    if (time === undefined || (time.seconds === ZERO_TIME_SECONDS && time.nanoseconds === 0)) return;
    this.#allowed &= ~FORMAT.ustar;
    this.#prefersPax = true;
    this.#needed.set(key, formatPaxTime(time));
  }

  keepIfEqual(key: string, value: ByteString | number | bigint): void {
    if (this.#given.size === 0) return;
    if (this.#given.get(key) === String(value)) this.#needed.set(key, String(value));
  }

  otherRecords(): void {
    if (this.#given.size === 0) return;
    for (const [key, value] of this.#given)
      if (!this.#needed.has(key) && !BASIC.has(key) && !key.startsWith(SPARSE.prefix)) this.#needed.set(key, value);
    this.#allowed &= FORMAT.pax;
  }

  choose(wanted: number): ChosenFormat {
    const withUstar = (wanted & FORMAT.pax) !== 0 && !this.#prefersPax ? wanted | FORMAT.ustar : wanted;
    const allowed = wanted === FORMAT.unknown ? this.#allowed : this.#allowed & withUstar;
    for (const format of [FORMAT.ustar, FORMAT.pax, FORMAT.gnu])
      if ((allowed & format) !== 0) return { format, records: this.#needed };
    const [ustar, pax, gnu] = [this.#why("ustar"), this.#why("pax"), this.#why("gnu")];
    const onlyPax = this.#given.size === 0 ? "" : "only PAX supports PAXRecords";
    if (wanted === FORMAT.ustar) throw cannotEncode("Format specifies USTAR", ustar, onlyPax);
    if (wanted === FORMAT.pax) throw cannotEncode("Format specifies PAX", pax);
    if (wanted === FORMAT.gnu) throw cannotEncode("Format specifies GNU", gnu, onlyPax);
    throw cannotEncode(ustar, pax, gnu, onlyPax);
  }

  #exclude(format: "ustar" | "pax" | "gnu", shown: () => string): void {
    this.#excluding.set(format, shown);
    this.#allowed &= ~FORMAT[format];
  }

  #why(format: "ustar" | "pax" | "gnu"): string {
    const shown = this.#excluding.get(format);
    return shown === undefined ? "" : `${format.toUpperCase()} cannot encode ${shown()}`;
  }
}
