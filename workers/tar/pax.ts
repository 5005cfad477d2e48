import type { ByteString } from "../../src/go/byte-string.ts";
import { parseGoDecimal } from "../../src/go/strconv.ts";
import { invalidHeader, type ParsedEntry, type TarTime } from "./entry.ts";

/** Records of sparse files; version 0.0 has several of the last two, which is not PAX (archive/tar, parsePAX). */
export const SPARSE = {
  prefix: "GNU.sparse.",
  major: "GNU.sparse.major",
  minor: "GNU.sparse.minor",
  name: "GNU.sparse.name",
  size: "GNU.sparse.size",
  realSize: "GNU.sparse.realsize",
  map: "GNU.sparse.map",
  blocks: "GNU.sparse.numblocks",
  offset: "GNU.sparse.offset",
  bytes: "GNU.sparse.numbytes",
} as const;

export function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + String(rest.length).length;
  if (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

export function parseDecimal(text: ByteString): bigint {
  const value = parseGoDecimal(text);
  if (value === undefined) throw invalidHeader();
  return value;
}

/** Records whose value is a name, in which NUL is not allowed; in others the key must not contain NUL. */
const NAMES: ReadonlySet<string> = new Set(["path", "linkpath", "uname", "gname"]);

export function parsePaxRecords(contents: Buffer): Map<ByteString, ByteString> {
  const records = new Map<ByteString, ByteString>();
  const sparse: ByteString[] = [];
  for (let at = 0; at < contents.length; ) {
    const { key, value, end } = parseRecord(contents, at);
    at = end;
    if (key === SPARSE.offset || key === SPARSE.bytes) {
      if (key !== (sparse.length % 2 === 0 ? SPARSE.offset : SPARSE.bytes) || value.includes(","))
        throw invalidHeader();
      sparse.push(value);
    } else records.set(key, value);
  }
  if (sparse.length > 0) records.set(SPARSE.map, sparse.join(","));
  return records;
}

const MAX_LENGTH_DIGITS = 20;

function parseRecord(contents: Buffer, at: number): { key: ByteString; value: ByteString; end: number } {
  const space = contents.indexOf(0x20, at);
  if (space < 0 || space - at > MAX_LENGTH_DIGITS) throw invalidHeader();
  const length = parseDecimal(contents.toString("latin1", at, space));
  if (length < 5n || length > BigInt(contents.length - at)) throw invalidHeader();
  const end = at + Number(length);
  if (end <= space + 1 || contents[end - 1] !== 0x0a) throw invalidHeader();
  const record = contents.toString("latin1", space + 1, end - 1);
  const equals = record.indexOf("=");
  const key = record.slice(0, equals);
  const value = record.slice(equals + 1);
  if (equals < 1 || (NAMES.has(key) ? value : key).includes("\0")) throw invalidHeader();
  return { key, value, end };
}

function parsePaxTime(text: ByteString): TarTime {
  const [whole = "", fraction = ""] = splitOnce(text);
  const seconds = parseDecimal(whole);
  if (!/^[0-9]*$/.test(fraction)) throw invalidHeader();
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (!whole.startsWith("-") || nanoseconds === 0) return { seconds, nanoseconds };
  return { seconds: seconds - 1n, nanoseconds: 1e9 - nanoseconds };
}

function splitOnce(text: ByteString): [ByteString, ByteString] {
  const point = text.indexOf(".");
  return point < 0 ? [text, ""] : [text.slice(0, point), text.slice(point + 1)];
}

export function formatPaxTime({ seconds, nanoseconds }: TarTime): ByteString {
  if (nanoseconds === 0) return String(seconds);
  const isNegative = seconds < 0n;
  const whole = isNegative ? -(seconds + 1n) : seconds;
  const fraction = isNegative ? 1e9 - nanoseconds : nanoseconds;
  return `${isNegative ? "-" : ""}${whole}.${String(fraction).padStart(9, "0").replace(/0+$/, "")}`;
}

/**
 * Applies PAX records to the header after them: non-empty values win (archive/tar, mergePAX).
 * @throws Fault if a number or a time is invalid
 */
export function mergeRecords(
  header: Omit<ParsedEntry, "records">,
  records: ReadonlyMap<ByteString, ByteString>,
): ParsedEntry {
  if (records.size === 0) return { ...header, records };
  const given = <T>(key: string, parse: (text: ByteString) => T, otherwise: T): T => {
    const text = records.get(key) ?? "";
    return text === "" ? otherwise : parse(text);
  };
  const same = (text: ByteString): ByteString => text;
  // Dropped, but an invalid one makes the header invalid.
  given("mtime", parsePaxTime, undefined);
  return {
    ...header,
    name: given("path", same, header.name),
    linkName: given("linkpath", same, header.linkName),
    uid: given("uid", parseDecimal, header.uid),
    gid: given("gid", parseDecimal, header.gid),
    size: given("size", parseDecimal, header.size),
    accessTime: given("atime", parsePaxTime, header.accessTime),
    changeTime: given("ctime", parsePaxTime, header.changeTime),
    records,
  };
}

export function paxRealSize({ records, size }: Pick<ParsedEntry, "records" | "size">): bigint {
  const given = records.get(SPARSE.size) || records.get(SPARSE.realSize) || "";
  return given === "" ? size : parseDecimal(given);
}
