import type { ByteString } from "../../oci/byte-string.ts";
import type { ForeignEntry } from "./entry.ts";
import { parseDecimal } from "./fields.ts";
import type { HeaderBlock } from "./header-block.ts";
import { parsePaxTime, SPARSE } from "./pax-records.ts";

/**
 * The entry of a header record with the PAX records before it, which win unless they are empty (archive/tar, mergePAX).
 * @throws Fault when a number or a time is none
 */
export function mergeRecords(header: HeaderBlock, records: ReadonlyMap<ByteString, ByteString>): ForeignEntry {
  if (records.size === 0) return { ...header, records };
  const given = <T>(key: string, parse: (text: ByteString) => T, otherwise: T): T => {
    const text = records.get(key) ?? "";
    return text === "" ? otherwise : parse(text);
  };
  const same = (text: ByteString): ByteString => text;
  // Not kept, but one that is no time makes the header invalid.
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

/** The size of a PAX sparse file with its zeros, in bytes. */
export function paxRealSize({ records, size }: Pick<ForeignEntry, "records" | "size">): bigint {
  const given = records.get(SPARSE.size) || records.get(SPARSE.realSize) || "";
  return given === "" ? size : parseDecimal(given);
}
