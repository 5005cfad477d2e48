import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { TAR_TYPE, type TarType } from "../../../../src/go/tar-header.ts";
import { encodeHeader, headerSize } from "../../../../workers/tar/encode.ts";
import { madeEntry } from "../../../support/images/tar-entries.ts";

const typeSchema = z.string().transform((type) => type.charCodeAt(0) as TarType);
const rowSchema = z.tuple([
  typeSchema,
  z.string(), // name, a byte string
  z.string(), // link name
  z.number(), // mode
  z.number(), // uid
  z.number(), // gid
  z.number(), // size
  z.number(), // device major
  z.number(), // device minor
  z.number(), // bytes of header
  z.string(), // their SHA-256
]);

/** Headers by Go 1.26's archive/tar for the same fields, with the normalized mtime. */
const recorded = z
  .array(rowSchema)
  .parse(JSON.parse(readFileSync(new URL("../../../../fixtures/tar-headers.json", import.meta.url), "utf8")));

test("headers have the bytes of Go's archive/tar", () => {
  expect(recorded.length).toBeGreaterThan(2000);
  const wrong: unknown[] = [];
  for (const [type, name, linkName, mode, uid, gid, size, deviceMajor, deviceMinor, length, sha256] of recorded) {
    const entry = madeEntry(name, { type, linkName, mode, uid, gid, size, deviceMajor, deviceMinor });
    const header = encodeHeader(entry);
    const actual = createHash("sha256").update(header).digest("hex");
    if (header.length !== length || actual !== sha256 || headerSize(entry) !== length)
      wrong.push({ ...entry, length, actual: header.length });
  }
  expect(wrong).toEqual([]);
});

function text(header: Buffer, from: number, length: number): string {
  return header.toString("latin1", from, from + length);
}

test.each([
  ["/cnb", madeEntry("/cnb", { type: TAR_TYPE.directory, mode: 0o755 }), "007777"],
  [
    "/cnb/process/web",
    madeEntry("/cnb/process/web", { type: TAR_TYPE.symlink, mode: 0o755, linkName: "/cnb/lifecycle/launcher" }),
    "016531",
  ],
  ["/workspace/a.txt", madeEntry("/workspace/a.txt", { uid: 1000, gid: 1000, size: 6 }), "012321"],
])("the checksum of %s is the reference's", (_, entry, checksum) => {
  expect(text(encodeHeader(entry), 148, 8)).toBe(`${checksum}\0 `);
});

test("a PAX header has the reference's fields", () => {
  const header = encodeHeader(madeEntry("/workspace/\xc3\xa9.txt", { uid: 3_000_000 }));
  expect(header.length).toBe(3 * 512);
  expect(text(header, 0, 31)).toBe("/workspace/PaxHeaders.0/.txt\0\0\0");
  expect(text(header, 124, 12)).toBe("00000000051\0");
  expect(text(header, 148, 6)).toBe("013112");
  expect(text(header, 329, 16)).toBe("\0".repeat(16));
  expect(text(header, 512, 42)).toBe("26 path=/workspace/\xc3\xa9.txt\n15 uid=3000000\n\0");
  expect(text(header, 1024, 17)).toBe("/workspace/.txt\0\0");
  expect(text(header, 1024 + 108, 8)).toBe("0000000\0");
  expect(text(header, 1024 + 148, 6)).toBe("012120");
});

test("PAX records over 1 MiB are rejected", () => {
  expect(() => encodeHeader(madeEntry("x".repeat((1 << 20) + 1)))).toThrow("header field too long");
});
