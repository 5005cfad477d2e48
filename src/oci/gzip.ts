/**
 * The reference's member header (docs/compatibility.md#compression; RFC 1952 section 2.3): DEFLATE, no flags, mtime 0,
 * XFL 4 (fastest), OS 255 (unknown).
 */
export const GZIP_HEADER: Uint8Array = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255);

/**
 * Ends a member: an empty final DEFLATE block with fixed codes (RFC 1951 section 3.2.6), then CRC-32 and length modulo
 * 2^32 of the uncompressed bytes, little endian.
 */
export function gzipTrailer(crc32: number, length: number): Uint8Array {
  const trailer = Buffer.alloc(10);
  trailer[0] = 0x03;
  trailer.writeUInt32LE(crc32 >>> 0, 2);
  trailer.writeUInt32LE(length % 2 ** 32, 6);
  return trailer;
}

const POLYNOMIAL = 0xedb88320;

/**
 * Product of polynomials over GF(2) modulo that of CRC-32 (RFC 1952 section 8), bit-reversed: the highest power is in
 * the lowest bit.
 */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** The operator that appends `bytes` zero bytes: x^(8 * bytes) modulo the polynomial. */
function shiftOperator(bytes: number): number {
  let power = 0x00800000; // x^8
  let operator = 0x80000000; // x^0
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) operator = multiply(power, operator);
    power = multiply(power, power);
  }
  return operator;
}

const operators = new Map<number, number>();

export function combineCrc32(first: number, second: number, secondLength: number): number {
  let operator = operators.get(secondLength);
  if (operator === undefined) {
    operator = shiftOperator(secondLength);
    operators.set(secondLength, operator);
  }
  return (multiply(operator, first) ^ second) >>> 0;
}
