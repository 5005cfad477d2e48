import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { expect, test } from "vitest";
import { TAR_END, tarEntry, type UploadEntry } from "../../../../src/destinations/daemon/tar-upload.ts";
import { rejectionOf } from "../../../support/thrown-by.ts";

function entry(name: string, ...chunks: string[]): UploadEntry {
  const bytes = chunks.map((chunk) => Buffer.from(chunk));
  return { name, size: Buffer.concat(bytes).length, open: () => bytes };
}

test("a tar reader reads the entries", async () => {
  const parts = [entry("layer.tar", "a".repeat(512), "b"), entry("blank_0"), entry("/sha256:1.tar", "c".repeat(512))];
  const tar = Buffer.concat([...(await Promise.all(parts.map((part) => buffer(tarEntry(part))))), TAR_END]);
  expect(tar.length % 512).toBe(0);
  const archive = extract();
  Readable.from([tar]).pipe(archive);
  const read: unknown[] = [];
  for await (const part of archive) {
    const { name, size, mode, uid, gid, type, mtime } = part.header;
    const chunks: Uint8Array[] = [];
    for await (const chunk of part) if (chunk instanceof Uint8Array) chunks.push(chunk);
    read.push([name, size, mode, uid, gid, type, mtime.getTime(), String(Buffer.concat(chunks)).length]);
  }
  expect(read).toEqual([
    ["layer.tar", 513, 0o644, 0, 0, "file", 0, 513],
    ["blank_0", 0, 0o644, 0, 0, "file", 0, 0],
    ["/sha256:1.tar", 512, 0o644, 0, 0, "file", 0, 512],
  ]);
});

test("a tar reader reads sizes above 8 GiB", async () => {
  const size = 2 ** 33 + 1;
  const { value } = await tarEntry({ name: "large", size, open: () => [] }).next();
  const archive = extract();
  const header = new Promise<number>((resolve) => archive.on("entry", (read) => resolve(read.size)));
  archive.write(value);
  expect(await header).toBe(size);
});

test.each([
  ["fewer", 3],
  ["more", 1],
])("contents with %s bytes than declared are an error", async (word, size) => {
  const reading = buffer(tarEntry({ ...entry("layer.tar", "ab"), size }));
  expect(await rejectionOf(reading)).toMatchObject({ message: `layer.tar has ${word} than its ${size} bytes` });
});
