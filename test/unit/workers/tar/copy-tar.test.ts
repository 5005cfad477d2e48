import { readFileSync } from "node:fs";
import { constants, gzipSync, inflateSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { MAGIC, RECORD_SIZE, sealRecord, writeRecord } from "../../../../src/go/tar-header.ts";
import { digestOf } from "../../../../src/oci/digest.ts";
import { paxRecord } from "../../../../workers/tar/pax.ts";
import { copied } from "../../../support/images/copied-tar.ts";

/**
 * Tars with the diffID or error of the reference's TarLayer: first named ones, then random ones with every kind of
 * oddity.
 */
const vectors = z
  .array(
    z.object({
      name: z.string(),
      /** Compressed with zlib, in base64. */
      tar: z.string().transform((text) => inflateSync(Buffer.from(text, "base64"))),
      diffId: z.string().optional(),
      error: z.string().optional(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL("../../../../fixtures/foreign-tars.json", import.meta.url), "utf8")));

describe.for(vectors)("$name", ({ tar, diffId, error }) => {
  test.for([
    { kind: "plain", compress: (bytes: Buffer) => bytes },
    { kind: "gzip", compress: (bytes: Buffer) => gzipSync(bytes) },
    { kind: "zstd", compress: (bytes: Buffer) => zstdCompressSync(bytes) },
  ])("$kind: the reference's diffID or error", async ({ compress }) => {
    const result = await copied(compress(tar));
    expect(result).toMatchObject(diffId === undefined ? { error } : { diffId });
  });
});

test("the vectors cover each outcome", () => {
  expect(vectors.filter(({ diffId }) => diffId !== undefined).length).toBeGreaterThan(70);
  expect(vectors.filter(({ error }) => error !== undefined).length).toBeGreaterThan(15);
});

test("a copy of a copy has the same bytes", async () => {
  for (const { tar } of vectors) {
    const once = await copied(tar);
    if ("tar" in once) expect(await copied(once.tar)).toMatchObject({ diffId: once.diffId });
  }
});

const tar = vectors[0]?.tar ?? Buffer.alloc(0);
const BOMB = Buffer.alloc(1 << 26);

describe("a corrupt blob is rejected", () => {
  test.for([
    ["gzip cut", gzipSync(tar).subarray(0, -20), /^corrupt or truncated gzip data: unexpected end of file$/],
    ["gzip with a wrong checksum", flipped(gzipSync(tar), -6), /^corrupt or truncated gzip data: /],
    [
      "gzip with a flipped bit inside",
      flipped(gzipSync(tar), 60),
      /^(corrupt or truncated gzip data: |archive\/tar: )/,
    ],
    ["zstd cut", zstdCompressSync(tar).subarray(0, -20), /^corrupt or truncated zstd data: /],
    ["text", Buffer.from("no layer".repeat(100)), /^archive\/tar: invalid tar header$/],
  ] as const)("%s", async ([, blob, error]) => {
    expect(await copied(blob)).toEqual({ error: expect.stringMatching(error) });
  });

  test.for([
    ["whose tar cannot be read", 600],
    ["whose tar looks good", 1024 + 2],
  ] as const)("with another digest, %s", async ([, at]) => {
    const other = flipped(tar, at);
    const error = `blob ${digestOf(tar)} is corrupt: the file has the digest ${digestOf(other)}`;
    expect(await copied(other, digestOf(tar))).toEqual({ error });
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] as number) ^ 0x40;
  return copy;
}

describe("concatenated compressed parts", () => {
  test.for([
    ["gzip members", gzipSync],
    ["zstd frames", zstdCompressSync],
  ] as const)("%s are one tar", async ([, compress]) => {
    const whole = await copied(tar);
    const parts = [tar.subarray(0, 700), tar.subarray(700)].map((part) => compress(part));
    expect(await copied(Buffer.concat(parts))).toEqual(whole);
  });
});

describe("the expansion limit", () => {
  /** A sparse file of 1 TiB in 2 KiB. */
  const sparse = sparseTar(2 ** 40);

  test("rejects a sparse file that is larger than any disk", async () => {
    expect(await copied(sparse)).toEqual({
      error: `decompression bomb: ${sparse.length} bytes unpack to more than ${2 ** 30}`,
    });
  });

  test("rejects zeros after the end of the tar", async () => {
    const level = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
    const zeros = zstdCompressSync(BOMB, level);
    const blob = Buffer.concat([zstdCompressSync(tar), ...Array.from({ length: 17 }, () => zeros)]);
    expect(await copied(blob)).toEqual({
      error: `decompression bomb: ${blob.length} bytes unpack to more than ${2 ** 30}`,
    });
  });

  test("allows a sparse file of a normal size", async () => {
    const result = await copied(sparseTar(1 << 20));
    expect("tar" in result && result.tar.length).toBe(512 + (1 << 20) + 1024);
  });
});

/** An empty sparse file in the format that stores its map in PAX records. */
function sparseTar(size: number): Buffer {
  const text = [
    ["GNU.sparse.major", "0"],
    ["GNU.sparse.minor", "1"],
    ["GNU.sparse.size", String(size)],
    ["GNU.sparse.numblocks", "0"],
  ].map(([key = "", value = ""]) => paxRecord(key, value));
  const records = Buffer.from(text.join(""));
  return Buffer.concat([header("x", records.length), padded(records), header("0", 0), Buffer.alloc(1024)]);
}

function header(type: string, size: number): Buffer {
  const block = Buffer.alloc(RECORD_SIZE);
  const devices = { deviceMajor: undefined, deviceMinor: undefined };
  const owner = { uid: 0, gid: 0 };
  writeRecord(
    block,
    { name: "file", type: type.charCodeAt(0), mode: 0o644, ...owner, size, linkName: "", ...devices },
    0,
  );
  sealRecord(block, MAGIC.ustar);
  return block;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);
}
