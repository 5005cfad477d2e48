import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { TomlDate } from "smol-toml";
import { z } from "zod";
import type { FreeValue } from "../cnb/lifecycle-metadata.ts";
import { Fault, messageOf, withContext } from "../errors/fault.ts";
import { type ByteString, fromByteString, fsPath, toByteString } from "../go/byte-string.ts";
import { isNotExist, isSystemError, pathFault } from "../go/errno.ts";
import { INTERPRETED } from "../go/json-decode.ts";
import { isTable, lastKey, parseToml, type Table } from "../go/toml-decode.ts";

/**
 * A table with known keys. Like BurntSushi's decoder, matches keys case-insensitively, an exact match first, and
 * ignores unknown keys.
 */
export function table<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  const matching = z.unknown().transform((value, context) => {
    if (isTable(value)) return matchKeys(value, names);
    // To zod a date is an object, too.
    if (value instanceof TomlDate) context.addIssue({ code: "invalid_type", expected: "object", input: value });
    return value;
  });
  return matching.pipe(z.object(shape));
}

function matchKeys(value: Table, names: readonly string[]): Table {
  const matched: Record<string, unknown> = {};
  for (const name of names) {
    const key = Object.hasOwn(value, name) ? name : Object.keys(value).find((candidate) => equalFold(candidate, name));
    if (key !== undefined) matched[name] = value[key];
  }
  return matched;
}

function equalFold(key: string, name: string): boolean {
  return key.toLowerCase() === name.toLowerCase();
}

export const text = z.string().default("");

export const flag = z.boolean().default(false);

export const texts = z.array(z.string()).default([]);

export const freeValue = z.custom<FreeValue>(isFreeValue, "unexpected value").default(null);

/** A table whose keys the buildpack chooses. Like Go, treats any other value as absent, as does {@link mapOf}. */
export const freeTable = z
  .custom<FreeValue>(isFreeValue, "unexpected value")
  .transform((value) => (isFreeTable(value) ? value : null))
  .default(null);

export const freeMap = freeTable.transform((value) => value ?? {});

export function mapOf<Value extends z.ZodType>(value: Value) {
  return z.preprocess((map) => new Map(isTable(map) ? Object.entries(map) : []), z.map(z.string(), value));
}

function isFreeTable(value: FreeValue): value is { readonly [key: string]: FreeValue } {
  return isTable(value);
}

function isFreeValue(value: unknown): value is FreeValue {
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return true;
  if (value instanceof TomlDate) return true;
  if (Array.isArray(value)) return value.every(isFreeValue);
  return isTable(value) && Object.values(value).every(isFreeValue);
}

type OpenFile = (path: ByteString) => Promise<FileHandle>;

const openAny: OpenFile = (path) => open(fsPath(path));

/**
 * Reads a TOML file and validates it against a schema (docs/compatibility.md#toml-decoding). Its errors have the texts
 * of Go's os.Open and of BurntSushi/toml, the latter after the file's path.
 * @throws Fault whose cause is Node's ENOENT if the file does not exist
 */
export async function readToml<Schema extends z.ZodType>(
  path: ByteString,
  schema: Schema,
  openFile: OpenFile = openAny,
): Promise<z.output<Schema>> {
  const file = fromByteString(path);
  const bytes = await readBytes(path, openFile);
  const result = schema.safeParse(decode(bytes, file), { ...INTERPRETED, reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw tomlFault(file, issue === undefined ? "unexpected content" : describeIssue(issue));
}

export async function readDocument<Schema extends z.ZodType>(
  what: string,
  path: string,
  schema: Schema,
  openFile?: OpenFile,
): Promise<z.output<Schema>> {
  try {
    return await readToml(toByteString(path), schema, openFile);
  } catch (error) {
    throw withContext(`failed to read ${what}`, error, "EXPORT_INPUT_READ");
  }
}

export async function readDocumentIfPresent<Schema extends z.ZodType>(
  what: string,
  path: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  try {
    return await readDocument(what, path, schema);
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}

export function isMissingFile(error: unknown): boolean {
  return isNotExist(error) || (error instanceof Fault && isMissingFile(error.cause));
}

function decode(bytes: Uint8Array, file: string): unknown {
  try {
    return parseToml(bytes);
  } catch (error) {
    throw tomlFault(file, messageOf(error), error);
  }
}

/**
 * In bytes. The contents end up in an image's config, which no registry reads at this size, and a parser allocates some
 * hundred bytes for each byte.
 */
const MAX_TOML_BYTES = 8 << 20;

/**
 * Opens a file that a buildpack may have replaced by a FIFO. Waiting for its writer would block a thread of the pool,
 * and the process cannot exit before its threads end.
 * @throws Fault for a FIFO
 */
export async function openBuildpackFile(path: ByteString): Promise<FileHandle> {
  const file = await open(fsPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFIFO()) return file;
  await file.close();
  throw new Fault("EXPORT_INPUT_READ", `open ${fromByteString(path)}: it is a FIFO, not a regular file`, {
    hint: "Change the buildpack that made it to write a regular file.",
  });
}

async function readBytes(path: ByteString, openFile: OpenFile): Promise<Uint8Array> {
  try {
    await using file = await openFile(path);
    const { size } = await file.stat();
    if (size <= MAX_TOML_BYTES) return await file.readFile();
    throw new Fault(
      "EXPORT_INPUT_READ",
      `read ${fromByteString(path)}: it has ${size} bytes, more than ${MAX_TOML_BYTES}`,
      {
        hint: "Change the buildpack or platform that wrote it to keep large data in files of a layer.",
      },
    );
  } catch (error) {
    if (error instanceof Fault) throw error;
    const operation = isSystemError(error) && error.syscall === "read" ? "read" : "open";
    throw pathFault("EXPORT_INPUT_READ", operation, fromByteString(path), error);
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = lastKey(issue.path);
  if (issue.code !== "invalid_type") return `${where}${issue.message}`;
  const found = goTypeOf(issue.input);
  if (issue.expected === "object") return `${where}type mismatch: expected table but found ${found}`;
  const wanted = issue.expected === "array" ? "slice" : issue.expected;
  return `${where}incompatible types: TOML value has type ${found}; destination has type ${wanted}`;
}

export function goTypeOf(value: unknown): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "number") return "float64";
  if (value instanceof TomlDate) return "time.Time";
  if (Array.isArray(value)) return value.length > 0 && value.every(isTable) ? "[]map[string]any" : "[]any";
  return "map[string]any";
}

function tomlFault(file: string, reason: string, cause?: unknown): Fault {
  return new Fault("EXPORT_INPUT_TOML", `${file}: toml: ${reason}`, cause === undefined ? {} : { cause });
}
