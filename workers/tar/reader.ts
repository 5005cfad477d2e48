import { type ByteString, isAscii } from "../../src/go/byte-string.ts";
import {
  FIELD,
  type Field,
  hasValidChecksum,
  MAGIC,
  OTHER_TYPE,
  RECORD_SIZE,
  readText,
  TAR_TYPE,
} from "../../src/go/tar-header.ts";
import type { ByteReader } from "./byte-reader.ts";
import {
  cannotEncode,
  FORMAT,
  invalidHeader,
  isHeaderOnly,
  MAX_SPECIAL_SIZE,
  numberIn,
  type ParsedEntry,
  type TarTime,
  tarFault,
  unexpectedEnd,
} from "./entry.ts";
import { mergeRecords, parsePaxRecords, paxRealSize, SPARSE } from "./pax.ts";
import { checkFragments, type Fragment, parseRecordMap, paxSparse, readContentsMap, readOldMap } from "./sparse.ts";

export interface ContentsSink {
  write(bytes: Buffer): void;
  writeZeros(count: number): void;
}

interface Contents {
  readonly physicalSize: number;
  readonly fragments: readonly Fragment[] | undefined;
}

/**
 * Reads a tar entry by entry, as Go's archive/tar does: it accepts the same tars and returns the same names, numbers
 * and formats (docs/compatibility.md#extension-tars). Copy the contents of an entry before asking for the next.
 * tar-stream exposes neither the format nor GNU times or PAX records.
 */
export class TarReader {
  readonly #bytes: ByteReader;
  #contents: Contents = { physicalSize: 0, fragments: undefined };
  #padding = 0;

  constructor(bytes: ByteReader) {
    this.#bytes = bytes;
  }

  async next(): Promise<ParsedEntry | undefined> {
    let format = FORMAT.ustar | FORMAT.pax | FORMAT.gnu;
    let records: ReadonlyMap<ByteString, ByteString> = new Map();
    let names: Partial<Pick<ParsedEntry, "name" | "linkName">> = {};
    for (;;) {
      const block = await this.#headerRecord();
      if (block === undefined) return undefined;
      const header = readHeader(block);
      format &= header.format;
      switch (header.type) {
        case OTHER_TYPE.paxHeader:
        case OTHER_TYPE.paxGlobalHeader:
          format &= FORMAT.pax;
          records = parsePaxRecords(await this.#special(header));
          if (header.type === OTHER_TYPE.paxHeader) continue;
          // Normalization sets an mtime, which the reference's writer rejects here.
          throw cannotEncode("only PAXRecords should be set for TypeXGlobalHeader");
        case OTHER_TYPE.gnuLongName:
          format &= FORMAT.gnu;
          names = { ...names, name: wholeText(await this.#special(header)) };
          continue;
        case OTHER_TYPE.gnuLongLink:
          format &= FORMAT.gnu;
          names = { ...names, linkName: wholeText(await this.#special(header)) };
          continue;
        default:
          return await this.#entry(block, header, records, names, format);
      }
    }
  }

  async copyContents(to: ContentsSink): Promise<void> {
    const { physicalSize, fragments } = this.#contents;
    if (fragments === undefined) await this.#pass(physicalSize, to);
    else await this.#copyFragments(fragments, physicalSize, to);
  }

  async #entry(
    block: Buffer,
    header: HeaderRecord,
    records: ReadonlyMap<ByteString, ByteString>,
    { name, linkName }: Partial<Pick<ParsedEntry, "name" | "linkName">>,
    format: number,
  ): Promise<ParsedEntry> {
    const merged = mergeRecords(header, records);
    const named = { ...merged, name: name || merged.name, linkName: linkName || merged.linkName };
    const promoted = { ...named, type: promotedType(named) };
    const size = this.#startContents(promoted);
    const entry = await this.#sparseEntry(promoted, block, size);
    // Go's writer drops the times of an entry whose format it does not know.
    if (format === FORMAT.unknown) return { ...entry, format, accessTime: undefined, changeTime: undefined };
    const isUstar = (format & FORMAT.ustar) !== 0 && (format & FORMAT.pax) !== 0;
    return { ...entry, format: isUstar ? FORMAT.ustar : format };
  }

  async #sparseEntry(entry: ParsedEntry, block: Buffer, size: number): Promise<ParsedEntry> {
    if (entry.type === OTHER_TYPE.gnuSparse) {
      if (magicOf(block) !== "gnu") throw invalidHeader();
      const realSize = numberIn(block, FIELD.gnuRealSize);
      this.#startSparse(entry, await readOldMap(block, this.#bytes), realSize, size);
      // The reference keeps the type but loses the map, so its entry is unreadable. A regular file is right in every
      // format.
      return { ...entry, type: TAR_TYPE.file, size: realSize };
    }
    const kind = paxSparse(entry.records);
    if (kind === undefined) return entry;
    const realSize = paxRealSize(entry);
    if (kind === "in-records") this.#startSparse(entry, parseRecordMap(entry.records), realSize, size);
    else {
      const { fragments, mapSize } = await readContentsMap(this.#bytes, size);
      this.#startSparse(entry, fragments, realSize, size - mapSize);
    }
    return { ...entry, name: entry.records.get(SPARSE.name) || entry.name, size: realSize };
  }

  #startSparse({ type }: ParsedEntry, fragments: readonly Fragment[], size: bigint, physicalSize: number): void {
    if (isHeaderOnly(type)) throw invalidHeader();
    checkFragments(fragments, size);
    const end = { offset: size, length: 0n };
    this.#contents = { physicalSize, fragments: [...fragments, end] };
  }

  #startContents({ type, size }: Pick<HeaderRecord, "type" | "size">): number {
    const physicalSize = isHeaderOnly(type) ? 0 : Number(size);
    if (physicalSize < 0) throw invalidHeader();
    this.#contents = { physicalSize, fragments: undefined };
    this.#padding = -physicalSize & (RECORD_SIZE - 1);
    return physicalSize;
  }

  async #copyFragments(fragments: readonly Fragment[], physicalSize: number, to: ContentsSink): Promise<void> {
    let position = 0n;
    let left = physicalSize;
    for (const { offset, length } of fragments) {
      to.writeZeros(Number(offset - position));
      if (length > BigInt(left)) throw tarFault("archive/tar: sparse file references non-existent data");
      await this.#pass(Number(length), to);
      left -= Number(length);
      position = offset + length;
    }
    if (left > 0) throw tarFault("archive/tar: sparse file contains unreferenced data");
  }

  async #pass(size: number, to: ContentsSink): Promise<void> {
    if ((await this.#bytes.pass(size, (piece) => to.write(piece))) < size) throw unexpectedEnd();
  }

  async #special(header: HeaderRecord): Promise<Buffer> {
    const size = this.#startContents(header);
    if (size > MAX_SPECIAL_SIZE) throw tarFault("archive/tar: header field too long");
    const contents = await this.#bytes.take(size);
    if (contents.length < size) throw unexpectedEnd();
    return contents;
  }

  async #headerRecord(): Promise<Buffer | undefined> {
    if ((await this.#bytes.take(this.#padding)).length < this.#padding) return undefined;
    this.#padding = 0;
    const block = await this.#record();
    if (block === undefined || !isZero(block)) return block;
    const second = await this.#record();
    if (second === undefined || isZero(second)) return undefined;
    throw invalidHeader();
  }

  async #record(): Promise<Buffer | undefined> {
    const block = await this.#bytes.take(RECORD_SIZE);
    if (block.length === 0) return undefined;
    if (block.length < RECORD_SIZE) throw unexpectedEnd();
    return block;
  }
}

function promotedType({ type, name }: Pick<ParsedEntry, "type" | "name">): number {
  if (type !== OTHER_TYPE.oldFile) return type;
  return name.endsWith("/") ? TAR_TYPE.directory : TAR_TYPE.file;
}

function wholeText(contents: Buffer): ByteString {
  return readText(contents, { offset: 0, size: contents.length });
}

const ZEROS = Buffer.alloc(RECORD_SIZE);

function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}

type HeaderRecord = Omit<ParsedEntry, "records">;

/** The trailer of a header of Schily's tar, whose prefix is shorter and followed by times. */
const STAR_TRAILER = "tar\0";

/**
 * Reads a header record as archive/tar does (readHeader): leniently, but then the format is unknown.
 * @param record 512 bytes, not all zero
 * @throws Fault if the checksum or a number is invalid
 */
function readHeader(record: Buffer): HeaderRecord {
  if (!hasValidChecksum(record)) throw invalidHeader();
  const magic = magicOf(record);
  const header = {
    name: readText(record, FIELD.name),
    linkName: readText(record, FIELD.linkName),
    type: record[FIELD.type.offset] as number,
    size: numberIn(record, FIELD.size),
    mode: numberIn(record, FIELD.mode),
    uid: numberIn(record, FIELD.uid),
    gid: numberIn(record, FIELD.gid),
    deviceMajor: 0n,
    deviceMinor: 0n,
    accessTime: undefined,
    changeTime: undefined,
    format: FORMAT.unknown,
  };
  // Dropped like the times of Schily's tar below, but an invalid one makes the header invalid.
  numberIn(record, FIELD.mtime);
  if (magic === "v7") return header;
  const full = {
    ...header,
    deviceMajor: numberIn(record, FIELD.deviceMajor),
    deviceMinor: numberIn(record, FIELD.deviceMinor),
  };
  if (magic === "ustar") {
    const format = isStrictUstar(record) ? FORMAT.ustar | FORMAT.pax : FORMAT.unknown;
    return { ...full, name: prefixed(readText(record, FIELD.prefix), full.name), format };
  }
  if (magic === "gnu") return gnuHeader(record, full);
  for (const time of [FIELD.starAccessTime, FIELD.starChangeTime]) numberIn(record, time);
  return { ...full, name: prefixed(readText(record, FIELD.starPrefix), full.name) };
}

function magicOf(record: Buffer): "ustar" | "star" | "gnu" | "v7" {
  const magic = textIn(record, FIELD.magic);
  if (magic.startsWith(MAGIC.ustar.slice(0, 6)))
    return textIn(record, FIELD.starTrailer) === STAR_TRAILER ? "star" : "ustar";
  return magic === MAGIC.gnu ? "gnu" : "v7";
}

function textIn(record: Buffer, { offset, size }: Field): ByteString {
  return record.toString("latin1", offset, offset + size);
}

const NUMBERS = [
  ...[FIELD.size, FIELD.mode, FIELD.uid, FIELD.gid, FIELD.mtime],
  ...[FIELD.deviceMajor, FIELD.deviceMinor],
];

function isStrictUstar(record: Buffer): boolean {
  return record.every((byte) => byte < 0x80) && NUMBERS.every(({ offset, size }) => record[offset + size - 1] === 0);
}

/** Go before 1.8 wrote a prefix in the place of the times: then the name gets it, and the entry is not GNU's. */
function gnuHeader(record: Buffer, header: HeaderRecord): HeaderRecord {
  try {
    const accessTime = gnuTime(record, FIELD.gnuAccessTime);
    const changeTime = gnuTime(record, FIELD.gnuChangeTime);
    return { ...header, accessTime, changeTime, format: FORMAT.gnu };
  } catch {
    const prefix = readText(record, FIELD.prefix);
    return isAscii(prefix) ? { ...header, name: prefixed(prefix, header.name) } : header;
  }
}

function gnuTime(record: Buffer, field: Field): TarTime | undefined {
  return record[field.offset] === 0 ? undefined : { seconds: numberIn(record, field), nanoseconds: 0 };
}

function prefixed(prefix: ByteString, name: ByteString): ByteString {
  return prefix === "" ? name : `${prefix}/${name}`;
}
