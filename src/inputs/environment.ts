import { parseGoBool, parseGoDecimal } from "./go-value.ts";

/** The process's environment, passed in so that nothing below reads it by itself. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A string; a variable that is set but empty counts as unset (contract 1.5). */
export function stringFrom(env: Environment, name: string, fallback: string): string {
  return env[name] || fallback;
}

/** A bool in Go's words; anything else is false (contract 1.5). */
export function boolFrom(env: Environment, name: string): boolean {
  return parseGoBool(env[name] ?? "") ?? false;
}

/** A decimal integer with an optional sign. Unset or empty is the fallback, anything else 0 (contract 1.5). */
export function intFrom(env: Environment, name: string, fallback: number): number {
  const text = env[name] ?? "";
  if (text === "") return fallback;
  return Number(parseGoDecimal(text) ?? 0);
}

/** A list that is split at every comma and not trimmed (contract 1.5). */
export function listFrom(env: Environment, name: string): readonly string[] {
  const text = env[name] ?? "";
  return text === "" ? [] : text.split(",");
}
