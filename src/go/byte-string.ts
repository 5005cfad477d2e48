import { isUtf8 } from "node:buffer";

/**
 * Names in a file system are bytes, not text. Inside the exporter a path is a *byte string*: a JavaScript string with
 * one character per byte (latin1), so that string comparison compares bytes and decoding loses nothing.
 */
export type ByteString = string;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII is the point
const ASCII = /^[\x00-\x7f]*$/;

const NOT_ASCII = /[\u0080-\u{10ffff}]/gu;

export function isAscii(text: ByteString): boolean {
  return ASCII.test(text);
}

// The following bytes of a character exclude overlong forms and surrogates.
const CHARACTER_OR_BYTE =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

/** Added to a byte that belongs to no character. */
const LONE = 0xdc00;

/** The inverse of {@link fromByteString}. */
export function toByteString(text: string): ByteString {
  if (isAscii(text)) return text;
  if (text.isWellFormed()) return Buffer.from(text, "utf8").toString("latin1");
  return text.replace(NOT_ASCII, (character) => {
    const byte = character.charCodeAt(0) - LONE;
    return byte >= 0x80 && byte <= 0xff ? String.fromCharCode(byte) : Buffer.from(character, "utf8").toString("latin1");
  });
}

/**
 * The text of bytes. Each byte that is not UTF-8 becomes a lone surrogate (U+DC80 to U+DCFF), so that names stay
 * distinct. Output replaces each with U+FFFD, one for each byte, as Go does.
 */
export function fromByteString(bytes: ByteString): string {
  if (isAscii(bytes)) return bytes;
  const buffer = Buffer.from(bytes, "latin1");
  if (isUtf8(buffer)) return buffer.toString("utf8");
  return bytes.replace(CHARACTER_OR_BYTE, (found) =>
    found.length === 1
      ? String.fromCharCode(LONE + found.charCodeAt(0))
      : Buffer.from(found, "latin1").toString("utf8"),
  );
}

/** Orders texts by their bytes, as Go does; UTF-16 would sort characters beyond U+FFFF too early. */
export function compareUtf8(a: string, b: string): number {
  const [first, second] = [toByteString(a), toByteString(b)];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

/** The form in which node:fs takes a path without re-encoding its bytes. */
export function fsPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** A replacer for JSON.stringify: strict parsers refuse the escape of a lone surrogate. */
export function wellFormed(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed() : value;
}
