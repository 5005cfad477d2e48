import { TomlDate } from "smol-toml";
import { z } from "zod";
import type { FreeValue } from "../cnb/metadata.ts";

/** A TOML table as the parser returns it. */
export type Table = { readonly [key: string]: unknown };

/** True for a table, not for arrays and dates: the parser makes tables without a prototype, literals have Object's. */
export function isTable(value: unknown): value is Table {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * A table with known keys. As in BurntSushi's decoder keys match without regard to case, an exact match first, and
 * unknown keys are ignored.
 */
export function table<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = Object.keys(shape);
  return z.preprocess((value) => (isTable(value) ? matchKeys(value, names) : value), z.object(shape));
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

/** A string whose absence is the empty string, Go's zero value. */
export const text = z.string().default("");

/** A bool whose absence is false. */
export const flag = z.boolean().default(false);

/** An array of strings whose absence is the empty array. */
export const texts = z.array(z.string()).default([]);

/** A value whose shape the buildpack chooses; absent is null. */
export const freeValue = z.custom<FreeValue>(isFreeValue, "unexpected value").default(null);

/** A table whose keys the buildpack chooses. Go decodes anything else into a nil map without an error: null. */
export const freeTable = z
  .custom<FreeValue>(isFreeValue, "unexpected value")
  .transform((value) => (isFreeTable(value) ? value : null))
  .default(null);

/** The same with an empty table for null. */
export const freeMap = freeTable.transform((value) => value ?? {});

/** A map from free names to values of one schema. Go decodes anything but a table into a nil map: the empty map. */
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
