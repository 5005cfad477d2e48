import type { ByteString } from "../../src/go/byte-string.ts";
import { RECORD_SIZE } from "../../src/go/tar-header.ts";
import type { ByteReader } from "./byte-reader.ts";
import { invalidHeader, MAX_SPECIAL_SIZE, numberIn, tarFault, unexpectedEnd } from "./entry.ts";
import { parseDecimal, SPARSE } from "./pax.ts";

export interface Fragment {
  readonly offset: bigint;
  readonly length: bigint;
}

const ELEMENT_SIZE = 24;
const MAP_IN_HEADER = { start: 386, elements: 4 };
const MAP_IN_RECORD = { start: 0, elements: 21 };

export async function readOldMap(header: Buffer, bytes: ByteReader): Promise<Fragment[]> {
  const fragments: Fragment[] = [];
  let block = header;
  let place = MAP_IN_HEADER;
  for (let size = RECORD_SIZE; size < MAX_SPECIAL_SIZE; size += RECORD_SIZE) {
    const end = place.start + place.elements * ELEMENT_SIZE;
    for (let at = place.start; at < end && block[at] !== 0; at += ELEMENT_SIZE)
      fragments.push({
        offset: numberIn(block, { offset: at, size: ELEMENT_SIZE / 2 }),
        length: numberIn(block, { offset: at + ELEMENT_SIZE / 2, size: ELEMENT_SIZE / 2 }),
      });
    if (block[end] === 0) return fragments;
    block = await bytes.take(RECORD_SIZE);
    if (block.length < RECORD_SIZE) throw unexpectedEnd();
    place = MAP_IN_RECORD;
  }
  throw mapTooLong();
}

export type PaxSparse = "in-records" | "in-contents";

export function paxSparse(records: ReadonlyMap<ByteString, ByteString>): PaxSparse | undefined {
  const [major = "", minor = ""] = [records.get(SPARSE.major), records.get(SPARSE.minor)];
  if (major === "0" && (minor === "0" || minor === "1")) return "in-records";
  if (major === "1" && minor === "0") return "in-contents";
  if (major !== "" || minor !== "") return undefined;
  return (records.get(SPARSE.map) ?? "") === "" ? undefined : "in-records";
}

export function parseRecordMap(records: ReadonlyMap<ByteString, ByteString>): Fragment[] {
  const count = parseDecimal(records.get(SPARSE.blocks) ?? "");
  const map = records.get(SPARSE.map) ?? "";
  const numbers = map === "" ? [] : map.split(",");
  if (count < 0n || BigInt(numbers.length) !== 2n * count) throw invalidHeader();
  return pairs(numbers);
}

/**
 * Reads the map of version 1.0 at the start of the contents: one decimal number per line, padded to whole records.
 * @param physicalSize bytes of the contents, the map included
 */
export async function readContentsMap(
  bytes: ByteReader,
  physicalSize: number,
): Promise<{ readonly fragments: Fragment[]; readonly mapSize: number }> {
  const lines = new MapLines(bytes, physicalSize);
  const count = parseDecimal(await lines.next());
  if (count < 0n || count > BigInt(MAX_SPECIAL_SIZE)) throw count < 0n ? invalidHeader() : mapTooLong();
  const numbers: ByteString[] = [];
  for (let i = 0n; i < 2n * count; i++) numbers.push(await lines.next());
  return { fragments: pairs(numbers), mapSize: lines.size };
}

class MapLines {
  readonly #bytes: ByteReader;
  readonly #physicalSize: number;
  #lines: ByteString[] = [];
  #next = 0;
  #unfinished = "";
  size = 0;

  constructor(bytes: ByteReader, physicalSize: number) {
    this.#bytes = bytes;
    this.#physicalSize = physicalSize;
  }

  async next(): Promise<ByteString> {
    while (this.#next === this.#lines.length) await this.#readRecord();
    const line = this.#lines[this.#next] as ByteString;
    this.#next += 1;
    return line;
  }

  async #readRecord(): Promise<void> {
    if (this.size + RECORD_SIZE > MAX_SPECIAL_SIZE) throw mapTooLong();
    const record = await this.#bytes.take(Math.min(RECORD_SIZE, this.#physicalSize - this.size));
    if (record.length < RECORD_SIZE) throw unexpectedEnd();
    this.size += RECORD_SIZE;
    const lines = (this.#unfinished + record.toString("latin1")).split("\n");
    this.#unfinished = lines.pop() as ByteString;
    this.#lines = lines;
    this.#next = 0;
  }
}

function pairs(numbers: readonly ByteString[]): Fragment[] {
  const fragments: Fragment[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2)
    fragments.push({
      offset: parseDecimal(numbers[i] as ByteString),
      length: parseDecimal(numbers[i + 1] as ByteString),
    });
  return fragments;
}

export function checkFragments(fragments: readonly Fragment[], size: bigint): void {
  let end = 0n;
  for (const { offset, length } of fragments) {
    if (offset < 0n || length < 0n || offset < end || offset + length > size) throw invalidHeader();
    end = offset + length;
  }
  if (size < 0n) throw invalidHeader();
}

function mapTooLong() {
  return tarFault("archive/tar: sparse map too long");
}
