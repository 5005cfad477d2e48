import { expect, test } from "vitest";
import { fromByteString, fsPath, isAscii, joinPath, toByteString } from "../../../src/go/byte-string.ts";

test.each([
  ["plain", "plain"],
  ["é", "\xc3\xa9"],
  ["日", "\xe6\x97\xa5"],
  ["\u{1f600}", "\xf0\x9f\x98\x80"],
])("%s has one character per byte", (text, bytes) => {
  expect(toByteString(text)).toBe(bytes);
  expect(fromByteString(bytes)).toBe(text);
});

test("invalid UTF-8 is shown as U+FFFD, and reaches the file system unchanged", () => {
  expect(fromByteString("a\xff")).toBe("a\ufffd");
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

test.each([
  ["/", "a", "/a"],
  ["/a", "b", "/a/b"],
])("joinPath(%s, %s)", (directory, name, path) => {
  expect(joinPath(directory, name)).toBe(path);
});
