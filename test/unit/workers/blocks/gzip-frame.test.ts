import { constants, crc32, deflateRawSync, gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { GZIP_HEADER, gzipTrailer } from "../../../../workers/blocks/gzip.ts";

test("the header is the reference's", () => {
  expect(Buffer.from(GZIP_HEADER).toString("hex")).toBe("1f8b08000000000004ff");
});

test("header, flushed blocks and trailer are one gzip member", () => {
  const parts = ["first ".repeat(1000), "", "second"].map((text) => Buffer.from(text));
  const whole = Buffer.concat(parts);
  const deflated = parts.map((part) => deflateRawSync(part, { finishFlush: constants.Z_SYNC_FLUSH }));
  const member = Buffer.concat([GZIP_HEADER, ...deflated, gzipTrailer(crc32(whole), whole.length)]);
  expect(gunzipSync(member).equals(whole)).toBe(true);
});

test("the length is taken modulo 2^32, the CRC as unsigned (RFC 1952 section 2.3.1)", () => {
  expect(Buffer.from(gzipTrailer(-1, 2 ** 33 + 7)).toString("hex")).toBe("0300ffffffff07000000");
});
