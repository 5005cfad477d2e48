import { constants, crc32, deflateRawSync, gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { combineCrc32, GZIP_HEADER, gzipTrailer } from "../../../src/oci/gzip.ts";
import { seededRandom } from "../../support/random.ts";

test("the header is the reference's", () => {
  expect(Buffer.from(GZIP_HEADER).toString("hex")).toBe("1f8b08000000000004ff");
});

test("header, flushed blocks and trailer form one gzip member", () => {
  const parts = ["first ".repeat(1000), "", "second"].map((text) => Buffer.from(text));
  const whole = Buffer.concat(parts);
  const deflated = parts.map((part) => deflateRawSync(part, { finishFlush: constants.Z_SYNC_FLUSH }));
  const member = Buffer.concat([GZIP_HEADER, ...deflated, gzipTrailer(crc32(whole), whole.length)]);
  expect(gunzipSync(member).equals(whole)).toBe(true);
});

test("the length is taken modulo 2^32, the CRC as unsigned (RFC 1952 section 2.3.1)", () => {
  expect(Buffer.from(gzipTrailer(-1, 2 ** 33 + 7)).toString("hex")).toBe("0300ffffffff07000000");
});

test("combines the CRCs of parts at random splits", () => {
  const random = seededRandom(23).below;
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(Array.from({ length: random(5000) }, () => random(256)));
    let combined = 0;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + 1 + random(1500));
      combined = combineCrc32(combined, crc32(part), part.length);
      at += part.length;
    }
    expect(combined).toBe(crc32(bytes));
  }
});

test("an empty second part changes nothing", () => {
  expect(combineCrc32(0xdeadbeef, 0, 0)).toBe(0xdeadbeef);
});

test("lengths beyond 32 bits: x^(8n) is the same however n is reached", () => {
  // Appending n zero bytes twice is appending 2n zero bytes; CRC parts of zeros cancel in the comparison.
  const n = 3 * 2 ** 31 + 5;
  const zeros = (length: number): number => combineCrc32(0x12345678, 0, length);
  expect(combineCrc32(zeros(n), 0, n)).toBe(zeros(2 * n));
});
