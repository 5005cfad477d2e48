import { expect, test } from "vitest";
import {
  compareUtf8,
  fromByteString,
  fsPath,
  isAscii,
  joinPath,
  toByteString,
  wellFormed,
} from "../../../src/go/byte-string.ts";

test.each([
  ["plain", "plain"],
  ["é", "\xc3\xa9"],
  ["日", "\xe6\x97\xa5"],
  ["\u{1f600}", "\xf0\x9f\x98\x80"],
])("%s has one character per byte", (text, bytes) => {
  expect(toByteString(text)).toBe(bytes);
  expect(fromByteString(bytes)).toBe(text);
});

test.each([
  ["a byte that begins no character", "a\xffb", "a\ufffdb"],
  ["another one, which must not be taken for it", "a\xfeb", "a\ufffdb"],
  ["an incomplete character", "\xe2\x82", "\ufffd\ufffd"],
  ["an overlong form", "\xc0\xaf", "\ufffd\ufffd"],
  ["a surrogate", "\xed\xa0\x80", "\ufffd\ufffd\ufffd"],
  ["a number beyond Unicode", "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"],
  ["a byte among characters", "é\x80\u{1f600}", "é\ufffd\u{1f600}"],
])("text keeps the bytes of %s, and is written with one U+FFFD for each", (_, name, written) => {
  const bytes = name.replace(/[é\u{1f600}]/gu, toByteString);
  const text = fromByteString(bytes);
  expect(toByteString(text)).toBe(bytes);
  expect(text.toWellFormed()).toBe(written);
  expect(Buffer.from(text).toString()).toBe(written);
  expect(JSON.stringify({ [text]: [text] }, wellFormed)).toContain(JSON.stringify([written]));
});

test("invalid UTF-8 reaches the file system unchanged", () => {
  expect(fsPath("/a\xff")).toEqual(Buffer.from([0x2f, 0x61, 0xff]));
  expect(fsPath("/a")).toBe("/a");
});

test.each([
  ["", true],
  ["\x00\x7f", true],
  ["\x80", false],
  ["a\xff", false],
])("isAscii %j is %s", (text, answer) => {
  expect(isAscii(text)).toBe(answer);
});

test("comparing byte strings compares bytes, where UTF-16 would not", () => {
  const names = ["\u{1f600}", "\uff5e"]; // F0.. and EF..: reversed in the order of UTF-16 code units
  expect(names.map(toByteString).sort().map(fromByteString)).toEqual(["\uff5e", "\u{1f600}"]);
});

test("texts are compared by their bytes, also those that are not UTF-8", () => {
  const sorted = ["\x80", "\xc3\xa9", "\xef\xbd\x9e", "\xf0\x9f\x98\x80", "\xff"].map(fromByteString);
  expect(sorted.toReversed().sort(compareUtf8)).toEqual(sorted);
});

test.each([
  ["/", "a", "/a"],
  ["/a", "b", "/a/b"],
])("joinPath(%s, %s)", (directory, name, path) => {
  expect(joinPath(directory, name)).toBe(path);
});
