import { parseGoBool, parseGoDecimal } from "../go/strconv.ts";

/** The process's environment, passed in so that nothing below reads it by itself. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A string; an empty variable counts as unset (docs/compatibility.md#environment-variables). */
export function stringFrom(env: Environment, name: string, fallback: string): string {
  return env[name] || fallback;
}

/** A boolean in Go's words; anything else is false (docs/compatibility.md#environment-variables). */
export function boolFrom(env: Environment, name: string): boolean {
  return parseGoBool(env[name] ?? "") ?? false;
}

/**
 * A decimal integer with an optional sign. Unset or empty is the fallback, anything else 0
 * (docs/compatibility.md#environment-variables).
 */
export function intFrom(env: Environment, name: string, fallback: number): number {
  const text = env[name] ?? "";
  if (text === "") return fallback;
  return Number(parseGoDecimal(text) ?? 0);
}

/** A list, split at every comma and not trimmed (docs/compatibility.md#environment-variables). */
export function listFrom(env: Environment, name: string): readonly string[] {
  const text = env[name] ?? "";
  return text === "" ? [] : text.split(",");
}
