/**
 * The reference's member header (docs/compatibility.md#compression; RFC 1952 section 2.3): DEFLATE, no flags, mtime 0,
 * XFL 4 (fastest), OS 255 (unknown).
 */
export const GZIP_HEADER: Uint8Array = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255);

/**
 * What follows the last block: an empty final DEFLATE block with fixed codes (RFC 1951 section 3.2.6), then CRC-32 and
 * length modulo 2^32 of the uncompressed bytes, little endian.
 */
export function gzipTrailer(crc32: number, length: number): Uint8Array {
  const trailer = Buffer.alloc(10);
  trailer[0] = 0x03;
  trailer.writeUInt32LE(crc32 >>> 0, 2);
  trailer.writeUInt32LE(length % 2 ** 32, 6);
  return trailer;
}
