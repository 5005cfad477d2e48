import type { TomlDate } from "smol-toml";
import { compareUtf8 } from "./byte-string.ts";
import { goTime } from "./time.ts";

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

const GRAPHIC = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u;

/** Go's `%q` (strconv.Quote): in double quotes, with everything unprintable escaped. */
export function goQuote(text: string): string {
  let quoted = '"';
  for (const character of text) quoted += SHORT[character] ?? printable(character);
  return `${quoted}"`;
}

function printable(character: string): string {
  if (character === " " || GRAPHIC.test(character)) return character;
  const point = character.codePointAt(0) ?? 0;
  if (point >= 0xdc80 && point <= 0xdcff) return `\\x${(point & 0xff).toString(16)}`;
  if (point >= 0xd800 && point <= 0xdfff) return "\\ufffd";
  if (point < 0x20 || point === 0x7f) return `\\x${point.toString(16).padStart(2, "0")}`;
  if (point < 0x10000) return `\\u${point.toString(16).padStart(4, "0")}`;
  return `\\U${point.toString(16).padStart(8, "0")}`;
}

const MAX_DEPTH = 50;

/** A decoded JSON or TOML value as Go's `%v` prints it: `map[Tag:latest]`, `[a b]`, `<nil>`; keys in byte order. */
export function goValue(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) return "...";
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map((item) => goValue(item, depth + 1)).join(" ")}]`;
  if (typeof value === "number") return goFloat(value);
  if (isTomlDate(value)) return goTime(value);
  if (typeof value !== "object") return String(value);
  const members = Object.entries(value).sort(([a], [b]) => compareUtf8(a, b));
  return `map[${members.map(([key, member]) => `${key}:${goValue(member, depth + 1)}`).join(" ")}]`;
}

/** Only TOML dates are Dates in decoded documents. `instanceof TomlDate` would load the parser into every thread. */
function isTomlDate(value: unknown): value is TomlDate {
  return value instanceof Date;
}

/**
 * A float64 as `%v` prints it: shortest digits, with an exponent of two digits or more below 1e-4 and from 1e+06 on
 * (strconv ftoa.go, "%e is used if").
 */
export function goFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Inf" : "+Inf";
  if (Object.is(value, -0)) return "-0";
  const [digits = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
