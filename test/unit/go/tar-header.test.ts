import { expect, test } from "vitest";
import {
  FIELD,
  fitsBase256,
  fitsOctal,
  hasValidChecksum,
  MAGIC,
  RECORD_SIZE,
  readNumber,
  readText,
  sealRecord,
  TAR_TYPE,
  writeNumber,
  writeRecord,
  writeText,
} from "../../../src/go/tar-header.ts";

function sealed(name: string): Buffer {
  const record = Buffer.alloc(RECORD_SIZE);
  const values = { name, type: TAR_TYPE.file, mode: 0o644, uid: 0, gid: 0, size: 6, linkName: "" };
  writeRecord(record, { ...values, deviceMajor: 0, deviceMinor: 0 }, 315532801);
  sealRecord(record, MAGIC.ustar);
  return record;
}

test.each([
  [FIELD.uid, 0n, "0000000\0"],
  [FIELD.uid, 2097151n, "7777777\0"],
  [FIELD.uid, 2097152n, "\x80\0\0\0\0\x20\0\0"],
  [FIELD.uid, -1n, "\xff".repeat(8)],
  [FIELD.size, 8589934591n, "77777777777\0"],
  [FIELD.size, 8589934592n, "\x80\0\0\0\0\0\0\x02\0\0\0\0"],
  [FIELD.size, 2n ** 63n - 1n, `\x80\0\0\0\x7f${"\xff".repeat(7)}`],
  [FIELD.size, -(2n ** 63n), `\xff\xff\xff\xff\x80${"\0".repeat(7)}`],
])("in %o the number %i is written as %j and read back", (field, value, bytes) => {
  const record = Buffer.alloc(RECORD_SIZE);
  writeNumber(record, field, value);
  expect(record.toString("latin1", field.offset, field.offset + field.size)).toBe(bytes);
  expect(readNumber(record, field)).toBe(value);
  expect(fitsOctal(field, value)).toBe(bytes.endsWith("\0") && /^[0-7]+\0$/.test(bytes));
});

test("base 256 has one byte less than its field", () => {
  const limit = 2n ** 56n;
  expect([limit - 1n, -limit].every((value) => fitsBase256(FIELD.uid, value))).toBe(true);
  expect([limit, -limit - 1n].some((value) => fitsBase256(FIELD.uid, value))).toBe(false);
});

test.each([
  ["  644 \0\0\0", 0o644n],
  ["\0\0\0\0\0\0\0\0", 0n],
  ["644\x00999", 0o644n],
  ["00000008", undefined],
  ["-0000001", undefined],
  ["\x80\0\0\0\0\0\0\x01", 1n],
])("%j is the number %s", (text, value) => {
  const record = Buffer.alloc(RECORD_SIZE);
  record.write(text, FIELD.mode.offset, "latin1");
  expect(readNumber(record, FIELD.mode)).toBe(value);
});

test("a number of more than 63 bits is invalid", () => {
  const record = Buffer.alloc(RECORD_SIZE);
  record.write("\x80\0\0\x01", FIELD.size.offset, "latin1");
  expect(readNumber(record, FIELD.size)).toBeUndefined();
});

test("a checksum counts bytes as unsigned or as signed, and finds a changed byte", () => {
  const record = sealed("\xe9\xff");
  expect(hasValidChecksum(record)).toBe(true);
  const sum = Number.parseInt(readText(record, FIELD.checksum), 8);
  record.write((sum - 2 * 256).toString(8).padStart(6, "0"), FIELD.checksum.offset);
  expect(hasValidChecksum(record)).toBe(true);
  record[0] = 0xea;
  expect(hasValidChecksum(record)).toBe(false);
});

test("a text ends at its field or before a NUL; a truncated one does not end in a slash", () => {
  const record = sealed("n".repeat(100));
  expect(readText(record, FIELD.name)).toBe("n".repeat(100));
  expect(readText(record, FIELD.linkName)).toBe("");
  const cut = Buffer.alloc(RECORD_SIZE);
  writeText(cut, FIELD.name, `${"n".repeat(97)}///rest`);
  expect(readText(cut, FIELD.name)).toBe("n".repeat(97));
});
