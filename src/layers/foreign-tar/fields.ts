import type { ByteString } from "../../oci/byte-string.ts";
import { invalidHeader } from "./entry.ts";

/** The bytes of a field up to its first NUL. */
export function parseText(field: Buffer): ByteString {
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length : end);
}

/**
 * A number in octal digits or, where the first bit is set, in GNU's base 256: two's complement, big-endian.
 * @throws Fault when it is neither, or exceeds 63 bits
 */
export function parseNumber(field: Buffer): bigint {
  const first = field[0] as number;
  if ((first & 0x80) === 0) return parseOctal(field);
  const inverted = (first & 0x40) === 0 ? 0x00 : 0xff;
  let value = 0n;
  for (const [i, byte] of field.entries()) {
    const digit = i === 0 ? (byte ^ inverted) & 0x7f : byte ^ inverted;
    value = (value << 8n) | BigInt(digit);
  }
  if (value >> 63n !== 0n) throw invalidHeader();
  return inverted === 0 ? value : -value - 1n;
}

/** Octal digits with any number of spaces and NULs around them; nothing is 0. */
export function parseOctal(field: Buffer): bigint {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: fields are padded with NULs
  const digits = parseText(Buffer.from(field.toString("latin1").replace(/^[ \x00]+|[ \x00]+$/g, ""), "latin1"));
  if (digits === "") return 0n;
  if (!/^[0-7]+$/.test(digits)) throw invalidHeader();
  return BigInt(`0o${digits}`);
}

const MAX_INT64 = 2n ** 63n - 1n;

/** Go's ParseInt in base 10 with 64 bits. @throws Fault when it is none */
export function parseDecimal(text: ByteString): bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) throw invalidHeader();
  const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text.replace("+", ""));
  if (value > MAX_INT64 || value < -MAX_INT64 - 1n) throw invalidHeader();
  return value;
}

/** True when `width` bytes hold the number in octal digits and a NUL. */
export function fitsOctal(width: number, value: bigint): boolean {
  return value >= 0n && value < 1n << BigInt((width - 1) * 3);
}

/** True when `width` bytes hold the number in base 256, whose first byte says no more than the sign. */
export function fitsBase256(width: number, value: bigint): boolean {
  const limit = 1n << BigInt((width - 1) * 8);
  return value >= -limit && value < limit;
}

/** Writes a number that {@link fitsBase256}: in GNU's base 256 where octal digits do not hold it. */
export function writeNumber(block: Buffer, offset: number, width: number, value: bigint): void {
  if (fitsOctal(width, value)) {
    block.write(value.toString(8).padStart(width - 1, "0"), offset, "latin1");
    return;
  }
  let rest = value;
  for (let i = offset + width - 1; i >= offset; i--) {
    block[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = (block[offset] as number) | 0x80;
}
