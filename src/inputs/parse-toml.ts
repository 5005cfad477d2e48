import { parse, TomlDate, TomlError } from "smol-toml";
import { ExactDate } from "./exact-date.ts";
import { isInt64 } from "./go-value.ts";
import { isTable, type Table } from "./toml-schema.ts";

/** Temporal keeps nanoseconds, as Go does; a runtime without it (Node 24) cuts dates to milliseconds. */
const HAS_TEMPORAL = "Temporal" in globalThis;

/**
 * Decodes a TOML document as BurntSushi/toml would (contract 2): integers have 64 bits and are BigInts, so that they are
 * told from floats; dates are TomlDates; a byte order mark is skipped.
 * @throws Error with a reason of one line, starting with `line <n>: ` where the place is known
 */
export function parseToml(bytes: Uint8Array): Table {
  const text = decodeUtf8(bytes);
  try {
    const document: Table = parse(text, { integersAsBigInt: true, useLegacyDate: !HAS_TEMPORAL });
    return normaliseTable(document);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new Error(`line ${error.line}: ${reason}`, { cause: error });
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new Error("the file is not valid UTF-8", { cause: error });
  }
}

function normaliseTable(table: Table): Table {
  // Without a prototype, so that `__proto__` is a key like any other.
  const normalised: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(table)) normalised[key] = normalise(value);
  return normalised;
}

function normalise(value: unknown): unknown {
  if (typeof value === "bigint" && !isInt64(value)) throw new RangeError(`${value} is out of range for int64`);
  if (typeof value !== "object" || value === null || value instanceof TomlDate) return value;
  if (Array.isArray(value)) return value.map(normalise);
  // The parser's tables have no prototype, so anything else is a Temporal object; its text ends in `[<zone>]`.
  return isTable(value) ? normaliseTable(value) : new ExactDate(String(value).replace(/\[.*\]$/, ""));
}
