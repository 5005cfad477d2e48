import { describe, expect, test } from "vitest";
import { buildEncoders } from "../../../../scripts/build-encoder.ts";
import { createEncoderHarness } from "../../../support/deflate/encoder-harness.ts";
import { type Inflated, inflate } from "../../../support/deflate/inflate.ts";
import { type SeededRandom, seededRandom } from "../../../support/random.ts";

await buildEncoders();
const harness = createEncoderHarness();
const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function encodeAndInflate(data: Uint8Array, level: number): Inflated {
  const inflated = inflate(Buffer.concat([harness.encode(data, level), Buffer.from([3, 0])]), data.length);
  expect(Buffer.compare(inflated.data, data)).toBe(0);
  return inflated;
}

/** Shuffled symbols, where Fibonacci numbers as frequencies give the deepest tree for their sum. */
function fibonacciOrder(symbols: number, random: SeededRandom): number[] {
  const order: number[] = [];
  let [count, next] = [1, 1];
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (let i = 0; i < count; i++) order.push(symbol);
    [count, next] = [next, count + next];
  }
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}

describe("code lengths are limited", () => {
  test.each(levels)("literals to 14 bits at level %i", (level) => {
    const random = seededRandom(20);
    // Three random bytes before each symbol of the skewed alphabet prevent matches, which would change the frequencies.
    const bytes = fibonacciOrder(20, random).flatMap((symbol) => [
      128 + random.below(128),
      128 + random.below(128),
      128 + random.below(128),
      symbol,
    ]);
    const seen = encodeAndInflate(Uint8Array.from(bytes.slice(0, 65_000)), level);
    expect(seen.longestSymbolCode).toBe(14);
  });

  test("distances go up to 15 bits", () => {
    const random = seededRandom(24);
    // Two sub-blocks of noise to copy from, with zeros strewn in so that none of it is skipped; one of literals and
    // copies.
    const data = Buffer.alloc(3 * 32_768);
    data.set(random.bytes(65_536));
    for (let at = 40; at < 65_536; at += 60) data.fill(0, at, at + 20);
    // Last position of each 4 bytes: copies come only from positions without a nearer match.
    const last = new Map<number, number>();
    let entered = 0;
    let at = 65_536;
    for (const symbol of fibonacciOrder(17, random)) {
      for (let i = 0; i < 2; i++) data[at++] = random.below(256);
      for (; entered + 4 <= at; entered++) last.set(data.readUInt32LE(entered), entered);
      let source = 0;
      do source = at - distanceOf(29 - symbol, random);
      while ([source, source + 1].some((from) => last.get(data.readUInt32LE(from)) !== from));
      for (let i = 0; i < 5; i++) data[at++] = data[source++]!;
    }
    const seen = encodeAndInflate(data.subarray(0, at), 9);
    expect(seen.longestDistanceCode).toBe(15);
  });
});

/** A random distance of a distance symbol (RFC 1951 section 3.2.5). */
function distanceOf(symbol: number, random: SeededRandom): number {
  const extra = (symbol >> 1) - 1;
  return 1 + ((2 + (symbol & 1)) << extra) + random.below(1 << extra);
}

describe("the window", () => {
  const marker = seededRandom(30).bytes(300);

  /** The marker twice, `distance` apart, with unmatched literals between; zeros before each stop the skipping. */
  function markerAtDistance(distance: number): Uint8Array {
    const random = seededRandom(31);
    const zeros = 40;
    const data = new Uint8Array(100 + distance + 1_000).map(() => 64 + random.below(64));
    for (const at of [100, 100 + distance]) {
      data.fill(0, at - zeros, at);
      data.set(marker, at);
    }
    return data;
  }

  test.each(levels)("a match at distance 32,768 is used at level %i", (level) => {
    const seen = encodeAndInflate(markerAtDistance(32_768), level);
    expect(seen.farthestDistance).toBe(32_768);
    expect(seen.longestMatch).toBe(258);
  });

  test.each(levels)("a match at distance 32,769 is not used at level %i", (level) => {
    const seen = encodeAndInflate(markerAtDistance(32_769), level);
    expect(seen.farthestDistance).toBeLessThan(32_768);
    expect(seen.longestMatch).toBeLessThan(258);
  });
});

describe("trivial inputs", () => {
  test("no input is one empty stored block", () => {
    expect([...harness.encode(new Uint8Array(0), 1)]).toEqual([0, 0, 0, 0xff, 0xff]);
  });

  test.each(levels)("one symbol makes one long match at level %i", (level) => {
    const output = harness.encode(new Uint8Array(1 << 20).fill(7), level);
    expect(output.length).toBeLessThan(1_100);
  });

  test("long matches are split so that no part is shorter than 3", () => {
    for (let length = 500; length < 800; length++) {
      encodeAndInflate(new Uint8Array(length), 1);
    }
  });
});
