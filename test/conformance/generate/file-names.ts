import type { Draw } from "./draw.ts";

/** Names that sort, match or print unlike others. */
const ODD = [
  "a b",
  " lead",
  "trail ",
  ".hidden",
  "..dots",
  "...",
  "-dash",
  "--x=y",
  "#hash",
  "~tilde",
  "$HOME",
  "back\\slash",
  "star*",
  "[br]",
  "q?",
  "{a,b}",
  'quo"te',
  "apos'",
  "tab\there",
  "new\nline",
  "esc\u001b[0m",
  "\u0001",
  "\u007f",
  "%20",
  "a,b;c|d",
  "<&>",
  "é.txt",
  "e\u0301.txt",
  "日本語",
  "😀",
  "\u2028",
  "\ufeffbom",
  "\u00a0",
  "CON",
  "PaxHeaders.0",
  "a.",
];

/** Names that sort around a directory `a`, where the order by name and that by path differ. */
const AROUND_A = ["a", "a-b", "a.txt", "a0", "a b", "a!", "A", "ab", "a~"];

const PLAIN = [
  "bin",
  "lib",
  "src",
  "main.js",
  "index.html",
  "README.md",
  "app.jar",
  "x",
  "y",
  "node_modules",
  "10",
  "9",
];

/** A file's name: bytes without NUL and slash, at most 255. */
export function drawName(draw: Draw): Buffer {
  return draw.weighted<() => Buffer>([
    [10, () => Buffer.from(draw.pick(PLAIN))],
    [5, () => Buffer.from(draw.pick(AROUND_A))],
    [4, () => Buffer.from(draw.pick(ODD))],
    [2, () => longName(draw)],
    [1, () => notText(draw)],
  ])();
}

/** Around what a header's fields hold. */
function longName(draw: Draw): Buffer {
  const length = draw.pick([60, 80, 99, 100, 101, 120, 154, 155, 156, 200, 255]);
  if (draw.chance(0.2)) return Buffer.from("é".repeat(length >> 1));
  return Buffer.from(draw.pick(["f", "ab", "x.", "a-"]).repeat(length).slice(0, length));
}

/** Bytes that are not UTF-8. */
function notText(draw: Draw): Buffer {
  const bytes = draw.bytes(draw.between(1, 12)).map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte));
  return Buffer.concat([Buffer.from(bytes), Buffer.from([draw.pick([0x80, 0xc3, 0xe2, 0xff])])]);
}
