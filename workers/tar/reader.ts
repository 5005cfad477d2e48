import type { ByteString } from "../../src/go/byte-string.ts";
import {
  cannotEncode,
  FOREIGN_TYPE,
  FORMAT,
  type ForeignEntry,
  type HeaderBlock,
  invalidHeader,
  isGnu,
  isHeaderOnly,
  parseHeaderBlock,
  parseNumber,
  parseText,
  tarFault,
  unexpectedEnd,
} from "./entry.ts";
import { MAX_SPECIAL_SIZE, RECORD_SIZE } from "./header.ts";
import { mergeRecords, parsePaxRecords, paxRealSize, SPARSE } from "./pax.ts";
import {
  type ByteReader,
  checkFragments,
  type Fragment,
  parseRecordMap,
  paxSparse,
  readContentsMap,
  readOldMap,
} from "./sparse.ts";

/** Takes the contents of an entry. */
export interface ContentsSink {
  write(bytes: Buffer): void;
  /** @param count bytes; may be more than fits into memory or onto any disk */
  writeZeros(count: number): void;
}

interface Contents {
  /** Bytes that the tar has, without the map of a sparse file. */
  readonly physicalSize: number;
  /** What the tar has of a sparse file. */
  readonly fragments: readonly Fragment[] | undefined;
}

/**
 * Reads a tar entry by entry, as Go's archive/tar does: it accepts the same tars and returns the same names, numbers
 * and formats (docs/compatibility.md#extension-tars). tar-stream exposes neither the format nor GNU times or PAX
 * records.
 */
export class TarReader {
  readonly #bytes: ByteReader;
  #contents: Contents = { physicalSize: 0, fragments: undefined };
  #padding = 0;

  constructor(bytes: ByteReader) {
    this.#bytes = bytes;
  }

  /** The next entry, undefined at the end. The contents of the one before must have been copied. */
  async next(): Promise<ForeignEntry | undefined> {
    let format = FORMAT.ustar | FORMAT.pax | FORMAT.gnu;
    let records: ReadonlyMap<ByteString, ByteString> = new Map();
    let names: Partial<Pick<ForeignEntry, "name" | "linkName">> = {};
    for (;;) {
      const block = await this.#headerRecord();
      if (block === undefined) return undefined;
      const header = parseHeaderBlock(block);
      format &= header.format;
      switch (header.type) {
        case FOREIGN_TYPE.paxHeader:
        case FOREIGN_TYPE.paxGlobalHeader:
          format &= FORMAT.pax;
          records = parsePaxRecords(await this.#special(header));
          if (header.type === FOREIGN_TYPE.paxHeader) continue;
          // Its mtime is set before it is written, which the reference's writer does not allow.
          throw cannotEncode("only PAXRecords should be set for TypeXGlobalHeader");
        case FOREIGN_TYPE.gnuLongName:
          format &= FORMAT.gnu;
          names = { ...names, name: parseText(await this.#special(header)) };
          continue;
        case FOREIGN_TYPE.gnuLongLink:
          format &= FORMAT.gnu;
          names = { ...names, linkName: parseText(await this.#special(header)) };
          continue;
        default:
          return await this.#entry(block, header, records, names, format);
      }
    }
  }

  /** Gives the contents of the entry away, zeros between the fragments of a sparse file included. */
  async copyContents(to: ContentsSink): Promise<void> {
    const { physicalSize, fragments } = this.#contents;
    if (fragments === undefined) await this.#pass(physicalSize, to);
    else await this.#copyFragments(fragments, physicalSize, to);
  }

  async #entry(
    block: Buffer,
    header: HeaderBlock,
    records: ReadonlyMap<ByteString, ByteString>,
    { name, linkName }: Partial<Pick<ForeignEntry, "name" | "linkName">>,
    format: number,
  ): Promise<ForeignEntry> {
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

  /** Takes in the map of a sparse file, which is as large as all of it then. */
  async #sparseEntry(entry: ForeignEntry, block: Buffer, size: number): Promise<ForeignEntry> {
    if (entry.type === FOREIGN_TYPE.gnuSparse) {
      if (!isGnu(block)) throw invalidHeader();
      const realSize = parseNumber(block.subarray(483, 495));
      this.#startSparse(entry, await readOldMap(block, this.#bytes), realSize, size);
      // The reference keeps the type and loses the map: nobody can read that. The whole file is right in every format.
      return { ...entry, type: FOREIGN_TYPE.file, size: realSize };
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

  #startSparse({ type }: ForeignEntry, fragments: readonly Fragment[], size: bigint, physicalSize: number): void {
    if (isHeaderOnly(type)) throw invalidHeader();
    checkFragments(fragments, size);
    const end = { offset: size, length: 0n };
    this.#contents = { physicalSize, fragments: [...fragments, end] };
  }

  /** Returns the bytes that the tar has for the entry. */
  #startContents({ type, size }: Pick<HeaderBlock, "type" | "size">): number {
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

  /** The contents of an entry that says something about the next one. */
  async #special(header: HeaderBlock): Promise<Buffer> {
    const size = this.#startContents(header);
    if (size > MAX_SPECIAL_SIZE) throw tarFault("archive/tar: header field too long");
    const contents = await this.#bytes.take(size);
    if (contents.length < size) throw unexpectedEnd();
    return contents;
  }

  /** The next header record; undefined after one or two records of zeros, and where the tar just ends. */
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

/** Old tars have no type for files, and give directories away by a slash. */
function promotedType({ type, name }: Pick<ForeignEntry, "type" | "name">): number {
  if (type !== FOREIGN_TYPE.oldFile) return type;
  return name.endsWith("/") ? FOREIGN_TYPE.directory : FOREIGN_TYPE.file;
}

const ZEROS = Buffer.alloc(RECORD_SIZE);

function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}
