/**
 * A small inflater (RFC 1951) for tests: slow, strict and independent of zlib. It rejects what lenient decoders accept
 * (incomplete codes, distances beyond the window or the start) and reports what it saw.
 */
export interface Inflated {
  readonly data: Uint8Array;
  readonly blocks: { stored: number; fixed: number; dynamic: number };
  /** Longest code that any block declares, in bits. */
  readonly longestSymbolCode: number;
  readonly longestDistanceCode: number;
  readonly longestPrecode: number;
  readonly farthestDistance: number;
  readonly longestMatch: number;
}

/** Section 3.2.5. */
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
/** Section 3.2.7. */
const precodeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const windowBytes = 32_768;

interface Code {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

export function inflate(compressed: Uint8Array, length: number): Inflated {
  const data = new Uint8Array(length);
  const seen = {
    data,
    blocks: { stored: 0, fixed: 0, dynamic: 0 },
    longestSymbolCode: 0,
    longestDistanceCode: 0,
    longestPrecode: 0,
    farthestDistance: 0,
    longestMatch: 0,
  };
  let at = 0;
  let bit = 0;
  let written = 0;

  const fail = (what: string): never => {
    throw new Error(`${what} at byte ${at}, bit ${bit}, after ${written} bytes of data`);
  };
  const takeBit = (): number => {
    const byte = compressed[at] ?? fail("the data ends too early");
    const value = (byte >> bit) & 1;
    bit = (bit + 1) & 7;
    if (bit === 0) at++;
    return value;
  };
  const take = (bits: number): number => {
    let value = 0;
    for (let i = 0; i < bits; i++) value |= takeBit() << i;
    return value;
  };
  const put = (byte: number): void => {
    if (written === length) fail("more data than expected");
    data[written++] = byte;
  };

  /** Section 3.2.2; a code must be complete. */
  const makeCode = (lengths: readonly number[]): Code => {
    const counts = new Uint16Array(16);
    for (const bits of lengths) counts[bits]!++;
    let open = 1;
    for (let bits = 1; bits < 16; bits++) open = open * 2 - counts[bits]!;
    if (open !== 0) fail(`an ${open > 0 ? "incomplete" : "over-subscribed"} code`);
    const offsets = new Uint16Array(17);
    for (let bits = 1; bits < 16; bits++) offsets[bits + 1] = offsets[bits]! + counts[bits]!;
    const symbols = new Uint16Array(lengths.length);
    lengths.forEach((bits, symbol) => {
      if (bits > 0) symbols[offsets[bits]!++] = symbol;
    });
    return { counts, symbols };
  };
  const decode = ({ counts, symbols }: Code): number => {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let bits = 1; bits < 16; bits++) {
      code |= takeBit();
      const count = counts[bits]!;
      if (code - count < first) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return fail("no such code");
  };

  const stored = (): void => {
    if (bit > 0) {
      at++;
      bit = 0;
    }
    const size = take(16);
    if ((take(16) ^ 0xffff) !== size) fail("a stored length does not equal its complement");
    for (let i = 0; i < size; i++) put(take(8));
  };
  const readCodes = (): [Code, Code] => {
    const literals = take(5) + 257;
    const distances = take(5) + 1;
    const precodes = take(4) + 4;
    if (literals > 286 || distances > 30) fail("too many codes");
    const precodeLengths = Array<number>(19).fill(0);
    for (const symbol of precodeOrder.slice(0, precodes)) precodeLengths[symbol] = take(3);
    const precode = makeCode(precodeLengths);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const symbol = decode(precode);
      if (symbol < 16) lengths.push(symbol);
      else {
        const previous = symbol === 16 ? (lengths.at(-1) ?? fail("nothing to repeat")) : 0;
        const repeat = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
        for (let i = 0; i < repeat; i++) lengths.push(previous);
      }
    }
    if (lengths.length !== literals + distances) fail("a run passes the end of the code lengths");
    if (lengths[256] === 0) fail("no end of block");
    const symbolLengths = lengths.slice(0, literals);
    const distanceLengths = lengths.slice(literals);
    seen.longestPrecode = Math.max(seen.longestPrecode, ...precodeLengths);
    seen.longestSymbolCode = Math.max(seen.longestSymbolCode, ...symbolLengths);
    seen.longestDistanceCode = Math.max(seen.longestDistanceCode, ...distanceLengths);
    return [makeCode(symbolLengths), makeCode(distanceLengths)];
  };
  const coded = (literals: Code, distances: Code): void => {
    for (;;) {
      const symbol = decode(literals);
      if (symbol === 256) return;
      if (symbol < 256) {
        put(symbol);
        continue;
      }
      const match = lengthBase[symbol - 257]! + take(lengthExtra[symbol - 257]!);
      const distanceSymbol = decode(distances);
      const distance = distanceBase[distanceSymbol]! + take(distanceSymbol < 2 ? 0 : (distanceSymbol >> 1) - 1);
      if (distance > written) fail(`distance ${distance} goes back beyond the start`);
      if (distance > windowBytes) fail(`distance ${distance} is beyond the window`);
      seen.farthestDistance = Math.max(seen.farthestDistance, distance);
      seen.longestMatch = Math.max(seen.longestMatch, match);
      for (let i = 0; i < match; i++) put(data[written - distance]!);
    }
  };

  for (let isFinal = false; !isFinal; ) {
    isFinal = takeBit() === 1;
    const type = take(2);
    if (type === 0) {
      seen.blocks.stored++;
      stored();
    } else if (type === 1) {
      seen.blocks.fixed++;
      // Section 3.2.6. Symbols 286 and 287, and distances 30 and 31, complete the codes and never occur.
      const fixed = Array.from({ length: 288 }, (_, symbol) =>
        symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
      );
      coded(makeCode(fixed), makeCode(Array<number>(32).fill(5)));
    } else if (type === 2) {
      seen.blocks.dynamic++;
      coded(...readCodes());
    } else fail("a reserved block type");
  }
  if (bit > 0) at++;
  if (at !== compressed.length) fail("data after the final block");
  if (written !== length) fail(`${written} bytes instead of ${length}`);
  return seen;
}
