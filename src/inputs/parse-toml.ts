import { parse, TomlDate, TomlError } from "smol-toml";
import { ExactDate } from "./exact-date.ts";
import { isInt64 } from "./go-value.ts";
import { isTable, type Table } from "./toml-schema.ts";

/** Temporal keeps nanoseconds, as Go does; a runtime without it (Node 24) cuts dates to milliseconds. */
const HAS_TEMPORAL = "Temporal" in globalThis;

/**
 * Decodes a TOML document as BurntSushi/toml does (docs/compatibility.md#toml-decoding): integers have 64 bits and are
 * BigInts, which distinguishes them from floats; dates are TomlDates; a byte order mark is skipped.
 * @throws Error with a one-line reason, starting with `line <n>: ` where the place is known
 */
export function parseToml(bytes: Uint8Array): Table {
  return normaliseTable(decodeTables(decodeUtf8(bytes), !HAS_TEMPORAL), 0);
}

/** Temporal refuses more than nine digits of a second's fraction, which Go cuts; there, dates are cut to milliseconds. */
function decodeTables(text: string, useLegacyDate: boolean): Table {
  try {
    return parse(text, { integersAsBigInt: true, useLegacyDate });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    if (!useLegacyDate && error.message.includes("Temporal error")) return decodeTables(text, true);
    const [reason = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new Error(`line ${error.line}: ${reason}`, { cause: error });
  }
}

/** Deeper than any document that means something, and far from what a stack holds; the parser's own limit of inline tables. */
const MAX_DEPTH = 1000;

/** Most digits of a number in a message. */
const SHOWN_DIGITS = 40;

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error("the file is not valid UTF-8", { cause: error });
  }
}

function normaliseTable(table: Table, depth: number): Table {
  if (depth > MAX_DEPTH) throw new RangeError(`tables are nested more than ${MAX_DEPTH} levels deep`);
  // Without a prototype, so that `__proto__` is a key like any other.
  const normalised: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(table)) normalised[key] = normalise(value, depth + 1);
  return normalised;
}

function normalise(value: unknown, depth: number): unknown {
  if (typeof value === "bigint" && !isInt64(value))
    throw new RangeError(`${shortened(value)} is out of range for int64`);
  if (typeof value !== "object" || value === null || value instanceof TomlDate) return value;
  if (Array.isArray(value)) return value.map((item) => normalise(item, depth));
  // The parser's tables have no prototype, so anything else is a Temporal object; its text ends in `[<zone>]`.
  return isTable(value) ? normaliseTable(value, depth) : new ExactDate(String(value).replace(/\[.*\]$/, ""));
}

function shortened(value: bigint): string {
  const digits = String(value);
  return digits.length <= SHOWN_DIGITS ? digits : `${digits.slice(0, SHOWN_DIGITS)}... (${digits.length} digits)`;
}
