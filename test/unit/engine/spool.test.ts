import { execFileSync } from "node:child_process";
import { readdirSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { SpooledBlob } from "../../../src/engine/spool.ts";
import { SpoolFiles } from "../../../src/engine/spool-files.ts";
import { CHUNKS_IN_FLIGHT } from "../../../src/files/growing-file.ts";
import type { Digest } from "../../../src/oci/digest.ts";
import { openSpools, ownSpool, spoolsClosed } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const digest = `sha256:${"0".repeat(64)}` as Digest;

/** Appends like the digesting thread. */
function append(spool: SpooledBlob, text: string): void {
  const position = spool.available;
  writeSync(spool.fileDescriptor, text, position);
  spool.grow(position + text.length);
}

function complete(spool: SpooledBlob): void {
  spool.complete({ digest, size: spool.available });
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += Buffer.from(chunk).toString("latin1");
  return text;
}

test("readers follow at their own pace, from any offset, even after the end", async () => {
  const spool = await ownSpool(tempTree());
  const early = textOf(spool.read(0));
  const middle = textOf(spool.read(4));
  append(spool, "abc");
  await new Promise<void>((resolve) => setImmediate(resolve));
  append(spool, "defg");
  complete(spool);
  expect(await early).toBe("abcdefg");
  expect(await middle).toBe("efg");
  expect(await textOf(spool.read(0))).toBe("abcdefg");
  expect(await textOf(spool.read(7))).toBe("");
  expect(await spool.done).toEqual({ digest, size: 7 });
  await spool.release();
});

test("reaches() resolves false if the blob ends at or before the size", async () => {
  const spool = await ownSpool(tempTree());
  const answers = [spool.reaches(0), spool.reaches(2), spool.reaches(3)];
  append(spool, "abc");
  complete(spool);
  expect(await Promise.all(answers)).toEqual([true, true, false]);
  await spool.release();
});

test("a failure rejects current and later readers", async () => {
  const directory = tempTree();
  const spool = await ownSpool(directory);
  append(spool, "abc");
  const waiting = textOf(spool.read(0));
  const fault = new Error("maker failed");
  spool.fail(fault);
  expect(await rejectionOf(waiting)).toBe(fault);
  expect(await rejectionOf(textOf(spool.read(0)))).toBe(fault);
  expect(await rejectionOf(spool.reaches(1))).toBe(fault);
  expect(await rejectionOf(spool.done)).toBe(fault);
  await spool.release();
  await spoolsClosed(directory);
});

test("an aborted reader stops at once, even while nothing is produced", async () => {
  const spool = await ownSpool(tempTree());
  append(spool, "abc");
  const controller = new AbortController();
  const reason = new Error("upload aborted");
  const waiting = textOf(spool.read(0, controller.signal));
  const other = textOf(spool.read(0));
  await new Promise<void>((resolve) => setImmediate(resolve));
  controller.abort(reason);
  expect(await rejectionOf(waiting)).toBe(reason);
  expect(await rejectionOf(textOf(spool.read(0, controller.signal)))).toBe(reason);
  complete(spool);
  expect(await other).toBe("abc");
  await spool.release();
});

test("late progress does not shorten the blob", async () => {
  const spool = await ownSpool(tempTree());
  append(spool, "abcdef");
  complete(spool);
  spool.grow(3);
  expect(spool.available).toBe(6);
  expect(await textOf(spool.read(0))).toBe("abcdef");
  await spool.release();
});

describe("the file has no name and is closed", () => {
  test("when it is released after its end", async () => {
    const directory = tempTree();
    const spool = await ownSpool(directory);
    expect(readdirSync(directory)).toEqual([]);
    expect(openSpools(directory)).toBe(1);
    complete(spool);
    await spool.release();
    await spoolsClosed(directory);
  });

  test.each(["complete", "fail"] as const)("when it was released before and then ends: %s", async (end) => {
    const directory = tempTree();
    const spool = await ownSpool(directory);
    await spool.release();
    expect(openSpools(directory)).toBe(1);
    if (end === "complete") complete(spool);
    else spool.fail(new Error("failed"));
    await spoolsClosed(directory);
  });

  test("when it fails, without a release", async () => {
    const directory = tempTree();
    const spool = await ownSpool(directory);
    spool.fail(new Error("failed"));
    await spoolsClosed(directory);
  });

  test("only once: a later read fails instead of reading another file", async () => {
    const spool = await ownSpool(tempTree());
    append(spool, "abc");
    complete(spool);
    await spool.release();
    await spool.release();
    expect(await rejectionOf(textOf(spool.read(0)))).toMatchObject({ code: "EXPORT_INTERNAL" });
  });

  test("only after the last reader ends", async () => {
    const directory = tempTree();
    const spool = await ownSpool(directory);
    append(spool, "abc");
    complete(spool);
    const reader = spool.read(0)[Symbol.asyncIterator]();
    await reader.next();
    await spool.release();
    expect(openSpools(directory)).toBe(1);
    await reader.return?.(undefined);
    await spoolsClosed(directory);
  });
});

test("a missing directory fails naming the directory and the flag", async () => {
  const directory = `${tempTree()}/nothing`;
  const fault = await rejectionOf(ownSpool(directory));
  expect(fault).toMatchObject({ code: "EXPORT_LAYER_SPOOL", hint: expect.stringContaining("-spool-dir") });
  expect(fault).toHaveProperty("message", `failed to create a spool file in ${directory}: no such file or directory`);
});

test("the error of a blob's file that cannot be created in a layout names directory and flag", async () => {
  const directory = `${tempTree()}/nothing`;
  expect(await rejectionOf(SpooledBlob.named(directory))).toMatchObject({
    code: "EXPORT_LAYOUT_WRITE",
    message: `failed to create a spool file in ${directory}: no such file or directory`,
    hint: "Give a writable directory with -layout-dir.",
  });
});

test.each([1, 2, 5, 9])(
  "chunks stay unchanged until four more are read while %i times 256 KiB are appended at a time",
  async (step) => {
    const spool = await ownSpool(tempTree());
    const letters = Array.from({ length: 60 }, (_, i) => String.fromCharCode(33 + i));
    const text = letters.map((letter) => letter.repeat(256 << 10)).join("");
    const held: Uint8Array[] = [];
    let position = 0;
    const next = () => {
      append(spool, text.slice(position, position + step * (256 << 10)));
      position += step * (256 << 10);
      if (position >= text.length) complete(spool);
    };
    next();
    let read = "";
    for await (const chunk of spool.read(0)) {
      held.push(chunk);
      if (held.length === CHUNKS_IN_FLIGHT) read += Buffer.from(held.shift() as Uint8Array).toString("latin1");
      while (position < text.length && position - (read.length + held.length * (256 << 10)) < 1) next();
    }
    read += held.map((chunk) => Buffer.from(chunk).toString("latin1")).join("");
    expect(read === text).toBe(true);
  },
);

test.each([
  ["fails", (spool: SpooledBlob) => spool.fail(new Error("maker failed"))],
  ["is complete and never moved", complete],
])("a named file that %s is removed on close", async (_name, end) => {
  const directory = tempTree();
  const spool = await SpooledBlob.named(directory);
  append(spool, "abc");
  expect(readdirSync(directory)).toHaveLength(1);
  end(spool);
  await spool.release();
  await spoolsClosed(directory);
  await expect.poll(() => readdirSync(directory), WAIT).toEqual([]);
});

describe("a limited number of spool files", () => {
  test("is shared by more blobs, each in its own range", async () => {
    const directory = tempTree();
    const files = new SpoolFiles(directory, 2);
    const rooms = await Promise.all([100, 200, 300, 400, 500].map((bytes) => files.open(bytes)));
    expect(openSpools(directory)).toBe(2);
    const byFile = Map.groupBy(rooms, ({ file }) => file.fileDescriptor);
    expect([...byFile.values()].map((shared) => shared.map(({ offset }) => offset))).toEqual([
      [0, 100, 400],
      [0, 200],
    ]);
  });

  test("closes a file with its last blob and then opens another", async () => {
    const directory = tempTree();
    const files = new SpoolFiles(directory, 1);
    const [first, second] = [await files.open(10), await files.open(10)];
    await first.release();
    expect(openSpools(directory)).toBe(1);
    await second.release();
    expect(openSpools(directory)).toBe(0);
    expect(await files.open(10)).toMatchObject({ offset: 0 });
    expect(openSpools(directory)).toBe(1);
  });

  test("gives each reader only its blob's bytes", async () => {
    const files = new SpoolFiles(tempTree(), 1);
    const [first, second] = [SpooledBlob.in(await files.open(10)), SpooledBlob.in(await files.open(10))];
    for (const [spool, text] of [
      [first, "the first"],
      [second, "and second"],
    ] as const) {
      writeSync(spool.fileDescriptor, text, spool.offset);
      spool.complete({ digest, size: text.length });
    }
    expect(await textOf(first.read(4))).toBe("first");
    expect(await textOf(second.read(0))).toBe("and second");
    await Promise.all([first.release(), second.release()]);
  });
});

/** Stands for a file system without O_TMPFILE, in a directory that loses its write permission. */
const UNREMOVABLE = `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const { open } = fs;
fs.open = (path, flags, mode, done) =>
  typeof flags === "number" ? done(new Error("not supported")) : open(path, flags, mode, done);
fs.unlink = (path, done) => done(new Error("not permitted"));
syncBuiltinESMExports();
const [module, directory] = process.argv.slice(1);
const { openNamelessFile } = await import(module);
const { code } = await openNamelessFile(directory).catch((error) => error);
const isOpen = (fd) => {
  try {
    return fs.readlinkSync("/proc/self/fd/" + fd).startsWith(directory);
  } catch {
    return false; // the descriptor of the listing itself
  }
};
console.log(code, fs.readdirSync("/proc/self/fd").filter(isOpen).length);
`;

test("a spool file whose name cannot be removed is closed", () => {
  const module = fileURLToPath(import.meta.resolve("../../../src/engine/spool-files.ts"));
  const program = ["--no-warnings", "--input-type=module", "-e", UNREMOVABLE, module, tempTree()];
  expect(execFileSync(process.execPath, program, { encoding: "utf8" })).toBe("EXPORT_LAYER_SPOOL 0\n");
});
