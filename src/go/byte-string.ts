/**
 * Names in a file system are bytes, not text. Inside the exporter a path is a *byte string*: a JavaScript string with
 * one character per byte (latin1), so that string comparison compares bytes and decoding loses nothing.
 */
export type ByteString = string;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII is the point
const ASCII = /^[\x00-\x7f]*$/;

export function isAscii(text: ByteString): boolean {
  return ASCII.test(text);
}

export function toByteString(text: string): ByteString {
  return isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

export function fromByteString(bytes: ByteString): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8");
}

/** The form in which node:fs takes a path without re-encoding its bytes. */
export function fsPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

export function joinPath(directory: ByteString, name: ByteString): ByteString {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}
