import type { ByteString } from "./byte-string.ts";

/** Thrown for a malformed pattern; the caller adds the path and the pattern (docs/compatibility.md#slice-patterns). */
export class BadPattern extends Error {
  constructor() {
    super("syntax error in pattern");
  }
}

/**
 * Go's `filepath.Match` on Unix (docs/compatibility.md#slice-patterns): `*` is any run without `/`, `?` one character
 * except `/`, `[...]` a class with ranges and `^` negation, a backslash escapes. Pattern and name are byte strings of
 * UTF-8; classes and `?` consume characters. No npm matcher has these rules: all support `**`, braces, dot files or
 * another class syntax.
 * @throws BadPattern where Go returns ErrBadPattern, which is detected only as far as the pattern is read
 */
export function goMatch(pattern: ByteString, name: ByteString): boolean {
  let rest = pattern;
  let text = name;
  while (rest.length > 0) {
    const scanned = scanChunk(rest);
    rest = scanned.rest;
    if (scanned.star && scanned.chunk === "") return !text.includes("/");
    const after = matchChunk(scanned.chunk, text);
    if (after !== undefined && (after.length === 0 || rest.length > 0)) {
      text = after;
      continue;
    }
    const later = scanned.star ? matchLater(scanned.chunk, text, rest) : undefined;
    if (later === undefined) return false;
    text = later;
  }
  return text.length === 0;
}

function matchLater(chunk: string, text: string, rest: string): string | undefined {
  for (let i = 0; i < text.length && text[i] !== "/"; i++) {
    const after = matchChunk(chunk, text.slice(i + 1));
    if (after === undefined || (rest.length === 0 && after.length > 0)) continue;
    return after;
  }
  return undefined;
}

function scanChunk(pattern: string): { star: boolean; chunk: string; rest: string } {
  let start = 0;
  while (pattern[start] === "*") start += 1;
  const star = start > 0;
  let inRange = false;
  for (let i = start; i < pattern.length; i++) {
    const c = pattern[i];
    if (c === "\\") i += 1;
    else if (c === "[") inRange = true;
    else if (c === "]") inRange = false;
    else if (c === "*" && !inRange) return { star, chunk: pattern.slice(start, i), rest: pattern.slice(i) };
  }
  return { star, chunk: pattern.slice(start), rest: "" };
}

function matchChunk(chunk: string, text: string): string | undefined {
  let failed = false;
  let at = 0;
  let s = 0;
  while (at < chunk.length) {
    failed ||= s >= text.length;
    const c = chunk[at] as string;
    if (c === "[") {
      const character = failed ? { rune: 0, size: 0 } : decodeRune(text, s);
      s += character.size;
      const parsed = matchClass(chunk, at + 1, character.rune);
      at = parsed.end;
      failed ||= !parsed.matches;
    } else if (c === "?") {
      if (!failed) {
        failed = text[s] === "/";
        s += decodeRune(text, s).size;
      }
      at += 1;
    } else {
      if (c === "\\" && ++at >= chunk.length) throw new BadPattern();
      if (!failed) failed = chunk[at] !== text[s++];
      at += 1;
    }
  }
  return failed ? undefined : text.slice(s);
}

function matchClass(chunk: string, from: number, rune: number): { matches: boolean; end: number } {
  let at = from;
  const negated = chunk[at] === "^";
  if (negated) at += 1;
  let inside = false;
  for (let ranges = 0; !(chunk[at] === "]" && ranges > 0); ranges++) {
    const low = classCharacter(chunk, at);
    at = low.end;
    let high = low.rune;
    if (chunk[at] === "-") {
      const parsed = classCharacter(chunk, at + 1);
      at = parsed.end;
      high = parsed.rune;
    }
    inside ||= low.rune <= rune && rune <= high;
  }
  return { matches: inside !== negated, end: at + 1 };
}

function classCharacter(chunk: string, from: number): { rune: number; end: number } {
  let at = from;
  if (at >= chunk.length || chunk[at] === "-" || chunk[at] === "]") throw new BadPattern();
  if (chunk[at] === "\\" && ++at >= chunk.length) throw new BadPattern();
  const { rune, size } = decodeRune(chunk, at);
  if (rune === REPLACEMENT && size === 1) throw new BadPattern();
  if (at + size >= chunk.length) throw new BadPattern();
  return { rune, end: at + size };
}

const REPLACEMENT = 0xfffd;

function decodeRune(text: string, at: number): { rune: number; size: number } {
  const first = text.charCodeAt(at);
  if (first < 0x80) return { rune: first, size: 1 };
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const decoded = Buffer.from(text.slice(at, at + size), "latin1").toString("utf8");
  const rune = decoded.codePointAt(0) ?? REPLACEMENT;
  const isValid =
    decoded.length === (rune > 0xffff ? 2 : 1) && (rune !== REPLACEMENT || text.startsWith("\xef\xbf\xbd", at));
  return isValid ? { rune, size } : { rune: REPLACEMENT, size: 1 };
}
