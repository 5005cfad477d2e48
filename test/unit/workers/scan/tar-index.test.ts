import { expect, test } from "vitest";
import { paddedSize, TAR_TYPE, type TarType } from "../../../../src/go/tar-header.ts";
import { BLOCK_SIZE, blockCount, type TarIndex } from "../../../../workers/protocol.ts";
import { buildTarIndex, entriesBetween, type ScannedEntry } from "../../../../workers/scan/tar-index.ts";
import { allEntries, madeEntry } from "../../../support/images/tar-entries.ts";

function end(entry: { offset: number; headerSize: number; size: number }): number {
  return entry.offset + entry.headerSize + paddedSize(entry.size);
}

/** Checks that a window of the tar yields exactly the entries that touch it, and at most one before them. */
function expectWindow(index: TarIndex, all: ReturnType<typeof allEntries>, from: number, to: number): void {
  const got = [...entriesBetween(index, from, to)];
  const touching = all.filter((entry) => entry.offset < to && end(entry) > from);
  expect(got.filter((entry) => end(entry) > from)).toEqual(touching);
  expect(got.length - touching.length).toBeLessThanOrEqual(1);
}

test("an empty tar is two zero records", () => {
  const index = buildTarIndex([]);
  expect(index).toMatchObject({ entryCount: 0, tarSize: 1024, contentPath: undefined });
  expect(allEntries(index)).toEqual([]);
});

test.each([1, 31, 32, 33, 63, 64, 65, 100])("%i entries can be read unchanged from any record", (count) => {
  const types = Object.values(TAR_TYPE);
  const entries: ScannedEntry[] = Array.from({ length: count }, (_, i) => {
    const type = types[i % types.length] as TarType;
    const isDevice = type === TAR_TYPE.charDevice || type === TAR_TYPE.blockDevice;
    return madeEntry(`/workspace/${"deep/".repeat(i % 7)}n\xe9me-${i % 3}-${i}${"x".repeat((i * 37) % 200)}`, {
      type,
      mode: (i * 511) % 0o10000,
      uid: i % 2 === 0 ? i : 4294967294,
      gid: i % 3 === 0 ? -1 : 2 ** 40 + i,
      size: type === TAR_TYPE.file ? i * 700 : 0,
      linkName: type === TAR_TYPE.symlink ? `\xff/${"t".repeat(i)}` : "",
      deviceMajor: isDevice ? 4095 - i : 0,
      deviceMinor: isDevice ? 1048575 - i : 0,
      mtimeMs: 1724320000123.4565 + i,
      ctimeMs: 1724320000789.25 + i,
    });
  });
  const index = buildTarIndex(entries);
  const all = allEntries(index);
  expect(all.map(({ offset: _, headerSize: __, ...entry }) => entry)).toEqual(entries);
  let offset = 0;
  for (const entry of all) {
    expect(entry.offset).toBe(offset);
    offset = end(entry);
  }
  expect(index.tarSize).toBe(offset + 1024);
  for (let from = 0; from < index.tarSize; from += 512) expectWindow(index, all, from, from + 512);
});

test("120,000 entries can be read from every block", () => {
  const entries = Array.from({ length: 120_000 }, (_, i) =>
    madeEntry(`/layers/node/modules/node_modules/package-${i >> 5}/lib/file-${i}.js`, { size: (i * 7919) % 3000 }),
  );
  const index = buildTarIndex(entries);
  let next = 0;
  let offset = 0;
  for (let block = 0; block < blockCount(index); block++) {
    const from = block * BLOCK_SIZE;
    const to = Math.min(from + BLOCK_SIZE, index.tarSize);
    for (const entry of entriesBetween(index, from, to)) {
      if (entry.offset < from) continue;
      const wanted = entries[next] as ScannedEntry;
      if (entry.name !== wanted.name || entry.size !== wanted.size || entry.offset !== offset)
        expect({ next, ...entry }).toMatchObject({ ...wanted, offset });
      offset = end(entry);
      next += 1;
    }
  }
  expect(next).toBe(entries.length);
  expect(index.tarSize).toBe(offset + 1024);
  // A shared prefix is stored once; names of 60 bytes alone would take 7 MB.
  const bytes = index.segments.reduce((sum, { memory }) => sum + memory.byteLength, 0);
  expect(bytes / entries.length).toBeLessThan(60);
});

test("an empty file after a full block belongs to the block of its header", () => {
  const index = buildTarIndex([madeEntry("/a", { size: BLOCK_SIZE - 512 }), madeEntry("/b"), madeEntry("/c")]);
  expect([...entriesBetween(index, BLOCK_SIZE, BLOCK_SIZE + 512)].map(({ name }) => name)).toEqual(["/b"]);
});

test("a window in the trailer yields no entry that touches it", () => {
  const index = buildTarIndex([madeEntry("/a")]);
  expectWindow(index, allEntries(index), 512, 1536);
});

test("sizes beyond 32 bits are exact", () => {
  const index = buildTarIndex([madeEntry("/a", { size: 2 ** 33 }), madeEntry("/b", { size: 2 ** 40 + 1 })]);
  const [a, b] = allEntries(index);
  expect(a).toMatchObject({ headerSize: 1536, size: 2 ** 33, offset: 0 });
  expect(b).toMatchObject({ headerSize: 1536, size: 2 ** 40 + 1, offset: 2 ** 33 + 1536 });
  expect(index.tarSize).toBe(2 ** 33 + 2 ** 40 + 512 + 2 * 1536 + 1024);
  expect([...entriesBetween(index, 2 ** 39, 2 ** 39 + 1)].map(({ name }) => name)).toEqual(["/b"]);
});
