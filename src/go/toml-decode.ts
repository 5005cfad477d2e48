import { isUtf8 } from "node:buffer";
import { parse, TomlDate, TomlError } from "smol-toml";
import { goQuote } from "./format.ts";
import { isInt64 } from "./strconv.ts";

/** A TOML date or time with all its digits; a plain TomlDate keeps milliseconds only. */
class ExactDate extends TomlDate {
  readonly #text: string;

  constructor(text: string) {
    super(text);
    this.#text = text;
  }

  override toISOString(): string {
    return this.#text;
  }
}

export type Table = { readonly [key: string]: unknown };

export function isTable(value: unknown): value is Table {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

const LONG_FRACTION = /:\d\d\.\d{10}/;

const HAS_TEMPORAL = "Temporal" in globalThis;

/**
 * Decodes a TOML document as BurntSushi/toml does (docs/compatibility.md#toml-decoding): integers have 64 bits and are
 * BigInts, which distinguishes them from floats; dates are TomlDates; a byte order mark is skipped.
 * @throws Error with a one-line reason, starting with `line <n>: ` where the position is known
 */
export function parseToml(bytes: Uint8Array): Table {
  return normalizeTable(decodeTables(decodeUtf8(bytes), !HAS_TEMPORAL), [], 0);
}

function decodeTables(text: string, useLegacyDate: boolean): Table {
  try {
    return parse(text, { integersAsBigInt: true, useLegacyDate });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Temporal rejects a fraction of more than nine digits, which Go truncates; a TomlDate truncates it to
    // milliseconds.
    const line = text.split("\n")[error.line - 1] ?? "";
    if (!useLegacyDate && LONG_FRACTION.test(line)) return decodeTables(text, true);
    const [reason = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    const [date = ""] = /^\d[\d:.TtZz+-]*(?: \d[\d:.Zz+-]*)?/.exec(line.slice(error.column - 1)) ?? [];
    const isDate = reason.startsWith("Temporal error") || reason === "invalid date";
    const description = isDate ? `invalid datetime: ${goQuote(date)}` : reason;
    throw new Error(`line ${error.line}: ${description}`, { cause: error });
  }
}

const MAX_DEPTH = 1000;

const SHOWN_DIGITS = 40;

function decodeUtf8(bytes: Uint8Array): string {
  // Editors and PowerShell on Windows write UTF-16.
  if (bytes.subarray(0, 4).includes(0) || hasUtf16ByteOrderMark(bytes))
    throw new Error("line 1: the file must be UTF-8, and is probably UTF-16");
  try {
    // `ignoreBOM` keeps the byte order mark: the parser skips one, and a second one is an error.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Error(`line ${firstInvalidLine(bytes)}: the file is not valid UTF-8`, { cause: error });
  }
}

function hasUtf16ByteOrderMark([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

/** A line feed is never part of another character, so each line is invalid by itself. */
function firstInvalidLine(bytes: Uint8Array): number {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").split("\n");
  return 1 + lines.findIndex((line) => !isUtf8(Buffer.from(line, "latin1")));
}

function normalizeTable(table: Table, path: readonly PropertyKey[], depth: number): Table {
  if (depth > MAX_DEPTH) throw new RangeError(`tables are nested more than ${MAX_DEPTH} levels deep`);
  // Without a prototype, so that `__proto__` is an ordinary key.
  const normalized: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(table)) normalized[key] = normalize(value, [...path, key], depth + 1);
  return normalized;
}

function normalize(value: unknown, path: readonly PropertyKey[], depth: number): unknown {
  if (typeof value === "bigint" && !isInt64(value))
    throw new RangeError(`${lastKey(path)}${shortened(value)} is out of range for int64`);
  if (typeof value !== "object" || value === null || value instanceof TomlDate) return value;
  if (Array.isArray(value)) return value.map((item, i) => normalize(item, [...path, i], depth));
  // The parser's tables have no prototype, so anything else is a Temporal object; its text ends in `[<zone>]`.
  return isTable(value) ? normalizeTable(value, path, depth) : new ExactDate(String(value).replace(/\[.*\]$/, ""));
}

/**
 * The prefix of an error of a value; none for the document itself. Numbers are indices from 0: the parser keeps no
 * lines, which would tell one table of an array from another.
 */
export function lastKey(path: readonly PropertyKey[]): string {
  const key = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return path.length === 0 ? "" : `(last key ${goQuote(key.slice(1))}): `;
}

function shortened(value: bigint): string {
  const digits = String(value);
  return digits.length <= SHOWN_DIGITS ? digits : `${digits.slice(0, SHOWN_DIGITS)}... (${digits.length} digits)`;
}
