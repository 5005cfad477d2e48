/**
 * Packs bits from the least significant up (RFC 1951 section 3.1.1). Between calls fewer than 8 bits wait in the
 * buffer. Each flush is one unaligned store of 8 bytes; the next overwrites those beyond the valid ones. A hot loop
 * keeps this state in locals and stores it with `resumeBits`.
 */

export let output: usize = 0;
export let bitBuffer: u64 = 0;
export let bitCount: u64 = 0;

export function startBits(address: usize): void {
  output = address;
  bitBuffer = 0;
  bitCount = 0;
}

export function resumeBits(address: usize, buffer: u64, count: u64): void {
  output = address;
  bitBuffer = buffer;
  bitCount = count;
}

/** Appends at most 56 bits. */
export function putBits(value: u64, count: u64): void {
  bitBuffer |= value << bitCount;
  bitCount += count;
  store<u64>(output, bitBuffer);
  output += <usize>(bitCount >> 3);
  bitBuffer >>= bitCount & 56;
  bitCount &= 7;
}

export function putEntry(entry: u32): void {
  putBits(<u64>(entry >> 6), <u64>(entry & 63));
}

/** Bits of stored blocks for `length` bytes: 40 more for each 65,535 bytes. */
@inline
export function storedBits(length: usize): u64 {
  return (<u64>length << 3) + <u64>((length + 65534) / 65535) * 40;
}

/**
 * Writes stored blocks, none final (RFC 1951 section 3.2.4). A length of 0 writes one empty block, which ends on a byte
 * boundary.
 */
export function putStored(from: usize, length: usize): void {
  do {
    const part = min<usize>(length, 65535);
    putBits(0, 3);
    if (bitCount > 0) putBits(0, 8 - bitCount);
    store<u32>(output, (<u32>part | (<u32>part << 16)) ^ 0xffff0000);
    memory.copy(output + 4, from, part);
    output += 4 + part;
    from += part;
    length -= part;
  } while (length > 0);
}
