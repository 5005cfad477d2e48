import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import {
  blobPath,
  copyBlob,
  linkBlob,
  putBlob,
  putBytes,
  readBlob,
} from "../../../../src/destinations/layout/blobs.ts";
import { Layout } from "../../../../src/destinations/layout/layout.ts";
import { workPath } from "../../../../src/destinations/layout/work-directory.ts";
import { SpooledBlob } from "../../../../src/engine/spool.ts";
import { digestOf } from "../../../../src/oci/digest.ts";
import { ownSpool } from "../../../support/files/spools.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { TestBlob } from "../../../support/growing-blob.ts";
import { seededBytes } from "../../../support/random.ts";
import { rejectionOf } from "../../../support/thrown-by.ts";

const BYTES = seededBytes(300_000, 1);
const BLOB = { digest: digestOf(BYTES), size: BYTES.length };
const { signal } = new AbortController();

let root = "";
let other = "";

beforeEach(async () => {
  root = await newLayout();
  other = await newLayout();
});

async function newLayout(): Promise<string> {
  const layout = new Layout(tempTree());
  await layout.create();
  return layout.path;
}

function write(layout: string, bytes: Uint8Array = BYTES): void {
  writeFileSync(blobPath(layout, BLOB.digest), bytes);
}

function names(): string[] {
  expect(readdirSync(workPath(root))).toEqual(["lock"]);
  return readdirSync(join(root, "blobs", "sha256"));
}

function expectBlob(): void {
  expect(readFileSync(blobPath(root, BLOB.digest)).equals(BYTES)).toBe(true);
  expect(names()).toHaveLength(1);
}

describe("putBlob", () => {
  test("writes bytes as they grow", async () => {
    const blob = new TestBlob(BYTES);
    const put = putBlob(root, blob, signal);
    blob.growTo(1000);
    blob.complete();
    expect(await put).toBe(true);
    expectBlob();
    expect(statSync(blobPath(root, BLOB.digest)).mode & 0o777).toBe(0o600);
  });

  test("removes a blob that fails", async () => {
    const blob = new TestBlob(BYTES);
    const put = putBlob(root, blob, signal);
    blob.growTo(1000);
    const fault = new Error("maker failed");
    blob.fail(fault);
    expect(await rejectionOf(put)).toBe(fault);
    expect(names()).toEqual([]);
  });

  const spooled = async (keepsName: boolean) => {
    const directory = tempTree();
    const spool = await (keepsName ? SpooledBlob.named(directory) : ownSpool(directory));
    writeFileSync(spool.fileDescriptor, BYTES);
    spool.complete(BLOB);
    return { spool, directory };
  };

  test("renames the file of a built blob, and its readers continue", async () => {
    const { spool, directory } = await spooled(true);
    const [made = ""] = readdirSync(directory);
    const { ino } = statSync(join(directory, made));
    expect(await putBlob(root, spool, signal)).toBe(true);
    expectBlob();
    expect(statSync(blobPath(root, BLOB.digest)).ino).toBe(ino);
    expect(readdirSync(directory)).toEqual([]);
    let read = 0;
    for await (const chunk of spool.read(0)) read += chunk.length;
    expect(read).toBe(BYTES.length);
    await spool.release();
    expectBlob();
  });

  test.each([true, false])("names a directory in its place (named spool: %s)", async (isNamed) => {
    const { spool } = await spooled(isNamed);
    const path = blobPath(root, BLOB.digest);
    mkdirSync(path);
    expect(await rejectionOf(putBlob(root, spool, signal))).toMatchObject({
      code: "EXPORT_LAYOUT_WRITE",
      hint: `Remove the directory ${path}, which is in the place of a file of the layout.`,
    });
    await spool.release();
  });

  test("copies an unlinked file", async () => {
    const { spool } = await spooled(false);
    expect(await putBlob(root, spool, signal)).toBe(true);
    expectBlob();
    await spool.release();
  });

  test("keeps a blob of the right size and replaces one of another size", async () => {
    write(root);
    const { ino } = statSync(blobPath(root, BLOB.digest));
    const { spool, directory } = await spooled(true);
    expect(await putBlob(root, spool, signal)).toBe(false);
    expect(statSync(blobPath(root, BLOB.digest)).ino).toBe(ino);
    truncateSync(blobPath(root, BLOB.digest), 1000);
    expect(await putBlob(root, spool, signal)).toBe(true);
    expectBlob();
    await spool.release();
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("copyBlob", () => {
  test("copies a blob once", async () => {
    write(other);
    expect(await copyBlob(root, BLOB, other)).toBe(true);
    expectBlob();
    expect(statSync(blobPath(root, BLOB.digest)).ino).not.toBe(statSync(blobPath(other, BLOB.digest)).ino);
    rmSync(blobPath(other, BLOB.digest));
    expect(await copyBlob(root, BLOB, other)).toBe(true);
  });

  test.each([
    ["absent", () => undefined],
    ["a link", () => symlinkSync(import.meta.filename, blobPath(other, BLOB.digest))],
    ["a directory", () => mkdirSync(blobPath(other, BLOB.digest))],
  ])("leaves out a blob that is %s", async (_name, prepare) => {
    prepare();
    expect(await copyBlob(root, BLOB, other)).toBe(false);
    expect(names()).toEqual([]);
  });

  test.each([0, 1000])("refuses a blob of another size: %i", async (size) => {
    write(other, BYTES.subarray(0, size));
    expect(await rejectionOf(copyBlob(root, BLOB, other))).toMatchObject({
      code: "EXPORT_LAYOUT_SIZE",
      message: `error writing layer: expected blob size 300000, but only wrote ${size}`,
    });
    expect(names()).toEqual([]);
  });

  test("leaves out an empty blob where it counts as absent", async () => {
    write(other, Buffer.alloc(0));
    expect(await copyBlob(root, BLOB, other, "absent")).toBe(false);
    expect(names()).toEqual([]);
  });

  test("keeps an existing blob, even behind a symlink", async () => {
    write(other);
    symlinkSync(blobPath(other, BLOB.digest), blobPath(root, BLOB.digest));
    expect(await copyBlob(root, BLOB, other)).toBe(true);
    expect(lstatSync(blobPath(root, BLOB.digest)).isSymbolicLink()).toBe(true);
  });
});

test("linkBlob shares one file between two layouts, and skips absent blobs", async () => {
  await linkBlob(root, BLOB, other);
  expect(names()).toEqual([]);
  write(other);
  await linkBlob(root, BLOB, other);
  expect(statSync(blobPath(root, BLOB.digest)).ino).toBe(statSync(blobPath(other, BLOB.digest)).ino);
  expect(names()).toHaveLength(1);
});

test("putBytes writes a missing file and repairs one of another size", async () => {
  for (const before of [undefined, BYTES.subarray(1), BYTES]) {
    if (before !== undefined) write(root, before);
    await putBytes(root, BYTES);
    expectBlob();
  }
});

test("write errors name the file", async () => {
  const path = join(dirname(root), "missing");
  expect(await rejectionOf(putBytes(path, BYTES))).toMatchObject({
    code: "EXPORT_LAYOUT_WRITE",
    message: `write ${blobPath(path, BLOB.digest)}: no such file or directory`,
  });
});

test("readBlob verifies the digest", async () => {
  write(root);
  expect((await readBlob(root, BLOB.digest)).equals(BYTES)).toBe(true);
  write(root, BYTES.subarray(1));
  expect(await rejectionOf(readBlob(root, BLOB.digest))).toMatchObject({ code: "EXPORT_LAYOUT_DIGEST" });
});
