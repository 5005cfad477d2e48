import { open } from "node:fs/promises";
import { TomlDate } from "smol-toml";
import type { z } from "zod";
import { Fault, messageOf, withContext } from "../faults/fault.ts";
import { goQuote } from "../faults/go-quote.ts";
import { isNotExist, isSystemError, pathFault } from "../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath, toByteString } from "../oci/byte-string.ts";
import { parseToml } from "./parse-toml.ts";
import { isTable } from "./toml-schema.ts";

/**
 * Reads a TOML file and validates it against a schema (docs/compatibility.md#toml-decoding). Its errors have the texts
 * of Go's os.Open and of BurntSushi/toml, the latter after the file's path.
 * @throws Fault whose cause is Node's ENOENT if the file does not exist
 */
export async function readToml<Schema extends z.ZodType>(path: ByteString, schema: Schema): Promise<z.output<Schema>> {
  const file = fromByteString(path);
  const bytes = await readBytes(path);
  const result = schema.safeParse(decode(bytes, file), { reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw tomlFault(file, issue === undefined ? "unexpected content" : describeIssue(issue));
}

/**
 * The same for a document at a path from the command line.
 * @param what the reference's word for it, for `failed to read <what>: `
 */
export async function readDocument<Schema extends z.ZodType>(
  what: string,
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  try {
    return await readToml(toByteString(path), schema);
  } catch (error) {
    throw withContext(`failed to read ${what}`, error, "EXPORT_INPUT_READ");
  }
}

/**
 * Like {@link readDocument}, but undefined if the file does not exist; any other failure is a fault
 * (docs/compatibility.md#missing-files).
 */
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

/** True for a fault of this file that says that the document does not exist. */
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
 * Longest TOML file in bytes. What is in one ends up in an image's config, and one that long is read by no registry nor by us;
 * and a parser makes some hundred bytes of each.
 */
const MAX_TOML_BYTES = 8 << 20;

async function readBytes(path: ByteString): Promise<Uint8Array> {
  try {
    await using file = await open(fsPath(path));
    const { size } = await file.stat();
    if (size <= MAX_TOML_BYTES) return await file.readFile();
    throw new Fault(
      "EXPORT_INPUT_READ",
      `read ${fromByteString(path)}: it has ${size} bytes, more than ${MAX_TOML_BYTES}`,
      {
        hint: "Let the buildpack or platform that wrote it keep large data in files of a layer.",
      },
    );
  } catch (error) {
    if (error instanceof Fault) throw error;
    const operation = isSystemError(error) && error.syscall === "read" ? "read" : "open";
    throw pathFault("EXPORT_INPUT_READ", operation, fromByteString(path), error);
  }
}

/** BurntSushi's words for a value of the wrong type. */
function describeIssue(issue: z.core.$ZodIssue): string {
  const key = issue.path.filter((part) => typeof part === "string").join(".");
  const where = key === "" ? "" : `(last key ${goQuote(key)}): `;
  if (issue.code !== "invalid_type") return `${where}${issue.message}`;
  const found = goTypeOf(issue.input);
  if (issue.expected === "object") return `${where}type mismatch: expected table but found ${found}`;
  const wanted = issue.expected === "array" ? "slice" : issue.expected;
  return `${where}incompatible types: TOML value has type ${found}; destination has type ${wanted}`;
}

/** The Go type that BurntSushi decodes a value to. */
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
