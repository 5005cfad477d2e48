import { TomlDate } from "smol-toml";
import { Fault } from "../errors/fault.ts";
import { compareUtf8 } from "./byte-string.ts";
import { goDateTime } from "./time.ts";

/**
 * Input of Go's encoding/json. A plain object or a Map is a Go map (keys sorted), a `GoStruct` is a struct (members in
 * their own order). Numbers are float64 or integers that a double holds exactly; bigint is int64.
 */
export type GoValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | TomlDate
  | readonly GoValue[]
  | ReadonlyMap<string, GoValue>
  | GoStruct
  | { readonly [key: string]: GoValue };

export class GoStruct {
  readonly members: readonly (readonly [name: string, value: GoValue])[];

  constructor(members: readonly (readonly [name: string, value: GoValue])[]) {
    this.members = members;
  }
}

export function goStruct(members: Readonly<Record<string, GoValue | undefined>>): GoStruct {
  return new GoStruct(Object.entries(members).filter((entry): entry is [string, GoValue] => entry[1] !== undefined));
}

/** The value for an `omitempty` member: undefined when it is "", 0, false, null or has no elements. */
export function unlessEmpty<T extends GoValue>(value: T | undefined): T | undefined {
  if (value === undefined || value === null || value === "" || value === false) return undefined;
  if (value === 0 || value === 0n) return undefined;
  if (Array.isArray(value) && value.length === 0) return undefined;
  if (value instanceof Map && value.size === 0) return undefined;
  return isPlainObject(value) && Object.keys(value).length === 0 ? undefined : value;
}

/**
 * Serializes like Go's json.Marshal: compact, HTML-safe, map keys in byte order (docs/compatibility.md#json-encoding).
 * @throws Fault for NaN, the infinities and dates that Go cannot format
 */
export function goJson(value: GoValue): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") return number(value);
  if (value === null || typeof value !== "object") return String(value);
  if (value instanceof GoStruct) return object(value.members);
  if (value instanceof TomlDate) return `"${goDateTime(value)}"`;
  if (value instanceof Map) return object([...value].sort(byKey));
  if (isArray(value)) return `[${value.map(goJson).join(",")}]`;
  return object(Object.entries(value).sort(byKey));
}

function object(members: readonly (readonly [string, GoValue])[]): string {
  return `{${members.map(([name, value]) => `${quote(name)}:${goJson(value)}`).join(",")}}`;
}

function number(value: number): string {
  if (!Number.isFinite(value))
    throw new Fault("EXPORT_IMAGE_JSON", `json: unsupported value: ${Number.isNaN(value) ? "NaN" : infinity(value)}`);
  return Object.is(value, -0) ? "-0" : String(value);
}

function infinity(value: number): string {
  return value > 0 ? "+Inf" : "-Inf";
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

// With the u flag a surrogate matches only when it is alone. It stands for bytes that are not UTF-8.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be escaped
const ESCAPED = /["\\<>&\u0000-\u001f\u2028\u2029\ud800-\udfff]/gu;

function quote(text: string): string {
  return `"${text.replace(ESCAPED, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const unit = character.charCodeAt(0);
  if (unit >= 0xd800) return "\\ufffd";
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

function byKey([a]: readonly [string, GoValue], [b]: readonly [string, GoValue]): number {
  return compareUtf8(a, b);
}

function isArray(value: object): value is readonly GoValue[] {
  return Array.isArray(value);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, GoValue>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
