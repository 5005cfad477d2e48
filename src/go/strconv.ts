/**
 * Parses values as Go's strconv does, for flags (docs/compatibility.md#flag-syntax) and the environment
 * (docs/compatibility.md#environment-variables).
 */

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

export function parseGoBool(text: string): boolean | undefined {
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : undefined;
}

const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

export function isInt64(value: bigint): boolean {
  return value >= MIN_INT64 && value <= MAX_INT64;
}

const LITERAL =
  /^([+-]?)(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)$/;

/**
 * strconv.ParseInt(text, 0, 64): `0x`, `0o`, `0b` or a leading `0` choose the base, `_` may separate digits.
 * @returns the integer, or the error in the words of Go's flag package
 */
export function parseGoInt(text: string): bigint | "parse error" | "value out of range" {
  const match = LITERAL.exec(text);
  if (match === null) return "parse error";
  const sign = match[1] ?? "";
  const digits = text.slice(sign.length).replaceAll("_", "").toLowerCase();
  const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = sign === "-" ? -magnitude : magnitude;
  return isInt64(value) ? value : "value out of range";
}

export function parseGoDecimal(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text.replace("+", ""));
  return isInt64(value) ? value : undefined;
}
