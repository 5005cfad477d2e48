import { TomlDate } from "smol-toml";
import { compareUtf8 } from "./byte-string.ts";
import { goFloat } from "./format.ts";
import { GoStruct, type GoValue } from "./json-encode.ts";
import { goTomlDate } from "./time.ts";

/** A float as BurntSushi/toml writes it: with `.0` unless a point or an exponent marks it as a float. */
export function goTomlFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const text = goFloat(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

type Members = readonly (readonly [name: string, value: GoValue])[];
type Path = readonly string[];

/**
 * Writes a document like BurntSushi/toml v1.6's encoder with its default indentation (docs/compatibility.md#report):
 * the plain values of a table before its tables, maps sorted, structs in their own order, null omitted. Numbers are
 * floats; integers are BigInts.
 */
export function goToml(document: GoStruct): string {
  const lines: string[] = [];
  writeMembers(document, [], lines);
  return lines.join("");
}

function writeMembers(table: GoValue, path: Path, lines: string[]): void {
  const members = membersOf(table).filter(([, value]) => value !== null);
  for (const [name, value] of members)
    if (!isTable(value) && !isTableArray(value)) lines.push(`${indent(path.length)}${key(name)} = ${inline(value)}\n`);
  for (const [name, value] of members) writeTables(value, [...path, name], lines);
}

function writeTables(value: GoValue, path: Path, lines: string[]): void {
  const header = path.map(key).join(".");
  const before = lines.length > 0 ? "\n" : "";
  if (isTable(value)) {
    lines.push(`${path.length === 1 ? before : ""}${indent(path.length - 1)}[${header}]\n`);
    writeMembers(value, path, lines);
  } else if (isTableArray(value)) {
    for (const element of value) {
      lines.push(`${lines.length > 0 ? "\n" : ""}${indent(path.length - 1)}[[${header}]]\n`);
      writeMembers(element, path, lines);
    }
  }
}

function inline(value: GoValue): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "number") return goTomlFloat(value);
  if (value instanceof TomlDate) return goTomlDate(value);
  if (isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (!isTable(value)) return String(value);
  const members = membersOf(value).filter(([, member]) => member !== null);
  const plain = members.filter(([, member]) => !isTable(member) && !isTableArray(member));
  const tables = members.filter(([, member]) => isTable(member) || isTableArray(member));
  return `{${[...plain, ...tables].map(([name, member]) => `${key(name)} = ${inline(member)}`).join(", ")}}`;
}

function membersOf(value: GoValue): Members {
  if (value instanceof GoStruct) return value.members;
  if (typeof value !== "object" || value === null) return [];
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return entries.sort(([a], [b]) => compareUtf8(a, b));
}

function isTable(value: GoValue): boolean {
  return typeof value === "object" && value !== null && !isArray(value) && !(value instanceof TomlDate);
}

function isTableArray(value: GoValue): value is readonly GoValue[] {
  return isArray(value) && value.length > 0 && value.every(isTable);
}

function isArray(value: GoValue): value is readonly GoValue[] {
  return Array.isArray(value);
}

function indent(depth: number): string {
  return "  ".repeat(depth);
}

function key(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name);
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what has to be escaped
const ESCAPED = /["\\\u0000-\u001f\u007f]/g;

function quote(text: string): string {
  return `"${text.replace(ESCAPED, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
