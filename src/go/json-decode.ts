import { z } from "zod";
import { JsonNumber, JsonObject, type JsonValue, parseJson, parseJsonStream, type TrailingText } from "./json-parse.ts";
import { isInt64 } from "./strconv.ts";

/**
 * Decodes external JSON as Go's encoding/json does (go1.26.8 src/encoding/json/decode.go). null is no value, absent
 * members are zero values, unknown ones are ignored, and names match case-insensitively. Repeated members are decoded
 * one after the other into the same variable, so the last text counts, while objects and lists merge. A value of the
 * wrong type is an error, even for an unused member.
 */

/** What a document assigns to one variable: nothing, one value, or several that are decoded in order. */
class Assignments {
  readonly values: readonly JsonValue[];

  constructor(values: readonly JsonValue[]) {
    this.values = values;
  }
}

export type GoType<T> = z.ZodType<T, Assignments>;

/** `problem` contains no value of the document, but may contain names of its members. */
export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/**
 * Like json.Unmarshal: the document has one value. {@link decodeFirst} is like one call of a json.Decoder, and ignores
 * text after it; {@link decodeEach} is like its calls up to the end, or up to text that is not JSON.
 */
export function unmarshal<T>(document: Uint8Array | string, type: GoType<T>): Decoded<T> {
  return decodeDocument(document, type, "refused");
}

export function decodeFirst<T>(document: Uint8Array | string, type: GoType<T>): Decoded<T> {
  return decodeDocument(document, type, "ignored");
}

export function* decodeEach<T>(document: Uint8Array | string, type: GoType<T>): Generator<Decoded<T>> {
  try {
    for (const value of parseJsonStream(document)) yield decoded(type, new Assignments([value]));
  } catch (error) {
    yield notJson(error);
  }
}

function decodeDocument<T>(document: Uint8Array | string, type: GoType<T>, trailing: TrailingText): Decoded<T> {
  try {
    return decoded(type, new Assignments([parseJson(document, trailing)]));
  } catch (error) {
    return notJson(error);
  }
}

function notJson(error: unknown): Decoded<never> {
  if (!(error instanceof SyntaxError)) throw error;
  return { ok: false, problem: `not JSON: ${error.message}` };
}

/** zod would compile a parser for each type, which takes longer than the few documents of an export. */
export const INTERPRETED = { jitless: true } as const;

function decoded<T>(type: GoType<T>, assigned: Assignments): Decoded<T> {
  const { success, data, error } = type.safeParse(assigned, INTERPRETED);
  if (success) return { ok: true, value: data };
  const reasons = error.issues.map(({ message, path }) => {
    const at = z.core.toDotPath(path);
    return at === "" ? message : `${message} at ${at}`;
  });
  return { ok: false, problem: reasons.join("; ") };
}

export function zeroValue<T>(type: GoType<T>): T {
  return type.parse(new Assignments([]), INTERPRETED);
}

/**
 * A scalar: the last value that is not null, else `zero`.
 * @param read undefined for a value of another type
 */
function scalar<T>(expected: string, zero: T, read: (value: JsonValue) => T | undefined): GoType<T> {
  return z.instanceof(Assignments).transform(({ values }, context) => {
    let result = zero;
    for (const value of values) {
      if (value === null) continue;
      const found = read(value);
      if (found === undefined) return refuse(context, expected, value);
      result = found;
    }
    return result;
  });
}

function refuse(context: z.RefinementCtx, expected: string, value: JsonValue): never {
  context.addIssue({ code: "custom", message: `expected ${expected}, got ${kindOf(value)}` });
  return z.NEVER;
}

function kindOf(value: JsonValue): string {
  if (value === null) return "null";
  if (value instanceof JsonNumber) return "number";
  if (value instanceof JsonObject) return "object";
  return Array.isArray(value) ? "array" : typeof value;
}

export const text: GoType<string> = scalar("string", "", (value) => (typeof value === "string" ? value : undefined));

export const flag: GoType<boolean> = scalar("bool", false, (value) => (typeof value === "boolean" ? value : undefined));

export const int64: GoType<bigint> = scalar("integer", 0n, (value) => {
  if (!(value instanceof JsonNumber) || !/^-?[0-9]+$/.test(value.literal)) return undefined;
  const integer = BigInt(value.literal);
  return isInt64(integer) ? integer : undefined;
});

/** An int64 that a double holds exactly; larger ones are rejected. */
export const integer: GoType<number> = scalar("integer", 0, (value) => {
  if (!(value instanceof JsonNumber) || !/^-?[0-9]+$/.test(value.literal)) return undefined;
  const number = Number(value.literal);
  return Number.isSafeInteger(number) ? number : undefined;
});

/**
 * A string type with an UnmarshalJSON of its own, which Go also calls for null, with an empty string; absent is empty
 * too.
 * @param problemOf what is wrong with a text, if anything
 */
export function checkedText(problemOf: (text: string) => string | undefined): GoType<string> {
  return z.instanceof(Assignments).transform(({ values }, context) => {
    let result = "";
    for (const value of values.length === 0 ? [null] : values) {
      if (value !== null && typeof value !== "string") return refuse(context, "string", value);
      result = value ?? "";
      const problem = problemOf(result);
      if (problem === undefined) continue;
      context.addIssue({ code: "custom", message: problem });
      return z.NEVER;
    }
    return result;
  });
}

export const base64: GoType<string | undefined> = z.instanceof(Assignments).transform(({ values }, context) => {
  let result: string | undefined;
  for (const value of values) {
    // Go is strict where Buffer.from() is not: digits in fours, padded.
    const digits = typeof value === "string" ? value.replace(/[\r\n]/g, "") : undefined;
    if (value !== null && (digits === undefined || !BASE64.test(digits))) return refuse(context, "base64", value);
    result = digits === undefined || digits === "" ? undefined : Buffer.from(digits, "base64").toString("base64");
  }
  return result;
});

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function struct<Shape extends Readonly<Record<string, GoType<unknown>>>>(shape: Shape) {
  const byFolded = new Map(Object.keys(shape).map((name) => [fold(name), name]));
  const members = ({ values }: Assignments, context: z.RefinementCtx): unknown => {
    const assigned = new Map<string, JsonValue[]>(Object.keys(shape).map((name) => [name, []]));
    for (const value of values) {
      if (value === null) continue;
      if (!(value instanceof JsonObject)) return refuse(context, "object", value);
      for (const [key, member] of value.members) assigned.get(byFolded.get(fold(key)) ?? "")?.push(member);
    }
    return Object.fromEntries([...assigned].map(([name, found]) => [name, new Assignments(found)]));
  };
  return z
    .instanceof(Assignments)
    .transform(members)
    .pipe(z.object(shape) as z.ZodType<StructOf<Shape>>);
}

type StructOf<Shape> = { readonly [Name in keyof Shape]: Shape[Name] extends GoType<infer T> ? T : never };

/**
 * Besides A to Z, Go folds two letters into ASCII: the long s and the Kelvin sign. toLowerCase() folds only the latter.
 */
function fold(name: string): string {
  return name.toLowerCase().replaceAll("\u017f", "s");
}

export function pointer<T>(type: GoType<T>): GoType<T | undefined> {
  return z.instanceof(Assignments).transform((assigned, context) => {
    const since = sinceNull(assigned);
    if (since.values.length === 0) return undefined;
    // A union of types would report no more than "Invalid input".
    const { success, data, error } = type.safeParse(since, INTERPRETED);
    if (success) return data;
    for (const { message, path } of error.issues) context.addIssue({ code: "custom", message, path });
    return z.NEVER;
  });
}

/** A slice. The elements of a second list are decoded over those of the first. */
export function list<T>(element: GoType<T>): GoType<readonly T[]> {
  const elements = (assigned: Assignments, context: z.RefinementCtx): readonly Assignments[] => {
    const arrays: (readonly JsonValue[])[] = [];
    for (const value of sinceNull(assigned).values) {
      if (!isArray(value)) return refuse(context, "array", value);
      if (value.length === 0) arrays.length = 0;
      else arrays.push(value);
    }
    return (arrays.at(-1) ?? []).map((_, i) => new Assignments(arrays.flatMap((array) => array.slice(i, i + 1))));
  };
  return z.instanceof(Assignments).transform(elements).pipe(z.array(element));
}

export function mapOf<T>(element: GoType<T>): GoType<ReadonlyMap<string, T>> {
  const entries = (assigned: Assignments, context: z.RefinementCtx): Map<string, Assignments> => {
    const found = new Map<string, Assignments>();
    for (const value of sinceNull(assigned).values) {
      if (!(value instanceof JsonObject)) return refuse(context, "object", value);
      for (const [key, member] of value.members) found.set(key, new Assignments([member]));
    }
    return found;
  };
  return z.instanceof(Assignments).transform(entries).pipe(z.map(z.string(), element));
}

export const anything: GoType<PlainJson> = z
  .instanceof(Assignments)
  .transform(({ values }) => plain(values.at(-1) ?? null));

export function attempt<T>(type: GoType<T>): GoType<Decoded<T>> {
  return z.instanceof(Assignments).transform((assigned) => decoded(type, assigned));
}

export type PlainJson =
  | string
  | number
  | boolean
  | null
  | readonly PlainJson[]
  | { readonly [name: string]: PlainJson };

function plain(value: JsonValue): PlainJson {
  if (value instanceof JsonNumber) return Number(value.literal);
  if (value instanceof JsonObject)
    return Object.fromEntries(value.members.map(([name, member]) => [name, plain(member)]));
  return isArray(value) ? value.map(plain) : value;
}

/** Ignores what precedes the last null, which empties pointers, slices and maps. */
function sinceNull({ values }: Assignments): Assignments {
  return new Assignments(values.slice(values.lastIndexOf(null) + 1));
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
