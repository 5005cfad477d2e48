import { LENGTH_BASE, LENGTH_EXTRA, LENGTH_SYMBOL, PRECODE_ORDER, scratch } from "./layout";

/** Writes the tables of RFC 1951 sections 3.2.5 and 3.2.7 into the scratch region: the module has no data segments. */
export function writeConstants(): void {
  const base = scratch;
  let length: u32 = 3;
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    const extra: u32 = symbol < 8 ? 0 : (symbol >> 2) - 1;
    store<u8>(base + symbol, <u8>extra, LENGTH_EXTRA);
    store<u32>(base + (symbol << 2), length, LENGTH_BASE);
    for (let next = length + (1 << extra); length < next; length++) store<u8>(base + length, <u8>symbol, LENGTH_SYMBOL);
  }
  // 258 has a symbol of its own, without extra bits.
  store<u8>(base + 28, 0, LENGTH_EXTRA);
  store<u32>(base + (28 << 2), 258, LENGTH_BASE);
  store<u8>(base + 258, 28, LENGTH_SYMBOL);

  // 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15.
  store<u8>(base, 16, PRECODE_ORDER);
  store<u8>(base + 1, 17, PRECODE_ORDER);
  store<u8>(base + 2, 18, PRECODE_ORDER);
  store<u8>(base + 3, 0, PRECODE_ORDER);
  for (let i: u32 = 0; i < 8; i++) {
    store<u8>(base + 4 + 2 * i, <u8>(8 + i), PRECODE_ORDER);
    if (i < 7) store<u8>(base + 5 + 2 * i, <u8>(7 - i), PRECODE_ORDER);
  }
}
