/**
 * Names in a file system are bytes, not text. Inside the exporter a path is a *byte string*: a JavaScript string with one
 * character per byte (latin1), so that comparing two strings compares their bytes and nothing is lost to decoding.
 */
export type ByteString = string;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII is the point
const ASCII = /^[\x00-\x7f]*$/;

/** True when every byte is below 0x80. */
export function isAscii(text: ByteString): boolean {
  return ASCII.test(text);
}

/** The byte string of a text: its UTF-8 bytes. */
export function toByteString(text: string): ByteString {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** The text of a byte string for messages and JSON; bytes that are not UTF-8 become U+FFFD. */
export function fromByteString(bytes: ByteString): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}

/** The form in which node:fs takes a path without re-encoding its bytes. */
export function fsPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

/** Appends a name to a directory's path. */
export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
