import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { TAR_TYPE } from "../../../../src/go/tar-header.ts";
import { buildBlock } from "../../../../workers/blocks/block.ts";
import { BLOCK_SIZE, blockCount, blockLength, type TarIndex } from "../../../../workers/protocol.ts";
import { scanSource } from "../../../../workers/scan/scan.ts";
import { buildTarIndex, entriesBetween, type ScannedEntry } from "../../../../workers/scan/tar-index.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";
import { madeEntry, wholeTar } from "../../../support/images/tar-entries.ts";
import { seededRandom } from "../../../support/random.ts";
import { thrownBy } from "../../../support/thrown-by.ts";

describe("whole tars have the reference's diffIDs", () => {
  const directory = { type: TAR_TYPE.directory, mode: 0o755 };
  const cases: [string, string, ScannedEntry[], number, string][] = [
    ["empty", "", [], 1024, "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"],
    [
      "process types",
      "",
      [
        madeEntry("/cnb", directory),
        madeEntry("/cnb/process", directory),
        madeEntry("/cnb/process/web", { type: TAR_TYPE.symlink, mode: 0o755, linkName: "/cnb/lifecycle/launcher" }),
      ],
      2560,
      "83d85471d9f8a3834b4e27cf701e3f0aef220cc816d9c173c7d32cd73909a590",
    ],
    [
      "a file with contents",
      "hello\n",
      [
        madeEntry("/workspace", { ...directory, uid: 1000, gid: 1000 }),
        madeEntry("/workspace/a.txt", { uid: 1000, gid: 1000, size: 6 }),
      ],
      2560,
      "566c283a0558f111bc3367b67c3d585d8e739a6d64019926a20c65998d5ee967",
    ],
    [
      "a name split at a slash",
      "",
      [madeEntry(`/workspace/${"d".repeat(80)}/${"f".repeat(60)}`)],
      1536,
      "9f2c4b9fd13bbd1e880aa2152754028fbde88f6d686c269b4f56e9588422b2ae",
    ],
    [
      "PAX for a non-ASCII name and a large uid",
      "",
      [madeEntry("/workspace/\xc3\xa9.txt", { uid: 3_000_000 })],
      2560,
      "c4895d7e967e9f66ca3e78543024037dfb20d8f104a017c6bb5e7dc04d6ffcfb",
    ],
    [
      "PAX for a long name",
      "",
      [madeEntry(`/workspace/${"f".repeat(120)}`)],
      2560,
      "8a2e8e56a05a62e2eb6ec3ce3b3cd2780d10d40543a86cb1d9aff5c3cd46f65f",
    ],
  ];
  test.each(cases)("%s", (_, contents, entries, bytes, sha256) => {
    const path = join(tempTree(), "contents");
    writeFileSync(path, contents);
    const { mtimeMs, ctimeMs } = statSync(path);
    const index = buildTarIndex(
      entries.map((entry) => ({ ...entry, mtimeMs, ctimeMs })),
      path,
    );
    const tar = wholeTar(index);
    expect(tar.length).toBe(bytes);
    expect(createHash("sha256").update(tar).digest("hex")).toBe(sha256);
  });
});

test.each([
  [".", "/cnb/process"],
  ["..", "/cnb"],
])("the process type %s has its path without dots, as the reference joins it", (type, path) => {
  const [index] = scanSource({ kind: "process-types", types: [type] });
  const listed = execFileSync("tar", ["-Ptf", "-"], { input: wholeTar(index as TarIndex), encoding: "utf8" });
  expect(listed.trim().split("\n").at(-1)).toBe(path);
});

/** A directory with files of every length around a record, a block and a few blocks. */
function filledDirectory(): string {
  const root = tempTree();
  const random = seededRandom(5).below;
  for (const [i, size] of [0, 1, 511, 512, 513, 0, 3000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 7].entries())
    writeFileSync(join(root, `${String(i).padStart(2, "0")}-é`), Buffer.alloc(size, random(256) + 1));
  mkdirSync(join(root, "x".repeat(200)));
  writeFileSync(join(root, "x".repeat(200), "last"), "last");
  return root;
}

function scan(path: string): TarIndex {
  const index = scanSource({ kind: "directory", path, uid: 1000, gid: 1000 })[0];
  if (index === undefined) throw new Error("no index");
  return index;
}

test("GNU tar lists and extracts the files", () => {
  const root = filledDirectory();
  const listed = execFileSync("tar", ["-Ptf", "-"], { input: wholeTar(scan(root)), encoding: "utf8" });
  expect(listed.split("\n").filter((name) => name.endsWith("last"))).toHaveLength(1);
  const out = execFileSync("tar", ["-PxOf", "-", "--wildcards", "*/09-*"], {
    input: wholeTar(scan(root)),
    maxBuffer: 1e8,
  });
  expect(out.equals(readFileSync(join(root, "09-é")))).toBe(true);
});

test("any partition of a tar joins to the same bytes, whatever the buffers contained", () => {
  const index = scan(filledDirectory());
  const whole = wholeTar(index);
  const random = seededRandom(17).below;
  for (const most of [700, 40_000, 2_000_000]) {
    // Pieces of up to 700 bytes only around boundaries; the inside of large files is uniform.
    const until = most === 700 ? 60_000 : index.tarSize;
    for (let from = 0; from < until; ) {
      const length = Math.min(1 + random(most), index.tarSize - from);
      const piece = Buffer.alloc(length, 0x5a);
      // A power of two divides without rounding, so this is the piece that starts at byte `from`.
      buildBlock(index, from / BLOCK_SIZE, piece);
      if (!piece.equals(whole.subarray(from, from + length))) expect({ from, length, most }).toBe("equal");
      from += length;
    }
  }
});

test("the size of a sparse file over 8 GiB is in a PAX record, and any of its blocks can be built", () => {
  const root = tempTree();
  const size = 2 ** 33 + 1000;
  const path = join(root, "big");
  writeFileSync(path, "begin");
  truncateSync(path, size - 3);
  appendFileSync(path, "end");
  const index = scan(root);
  const entry = [...entriesBetween(index, 2 ** 32, 2 ** 32 + 1)][0];
  expect(entry).toMatchObject({ name: path, size, headerSize: 1536 });
  const end = (entry?.offset ?? 0) + 1536 + size;
  expect(index.tarSize).toBe(Math.ceil(end / 512) * 512 + 1024);
  const last = Buffer.alloc(index.tarSize - (blockCount(index) - 1) * BLOCK_SIZE, 1);
  buildBlock(index, blockCount(index) - 1, last);
  const at = end - (blockCount(index) - 1) * BLOCK_SIZE;
  expect(last.toString("latin1", at - 4, at + 1)).toBe("\0end\0");
  expect(last.subarray(at).every((byte) => byte === 0)).toBe(true);
});

describe("the fault names a file that changed after the scan", () => {
  const CONTENTS = "contents";
  const changes: [string, (path: string) => void, string][] = [
    ["grown", (path) => appendFileSync(path, "more"), "had 8 bytes and now has 12"],
    ["shrunk", (path) => truncateSync(path, 3), "had 8 bytes and now has 3"],
    ["emptied", (path) => truncateSync(path, 0), "had 8 bytes and now has 0"],
    ["removed", (path) => rmSync(path), "was removed"],
    [
      "replaced by a symlink",
      (path) => {
        renameSync(path, `${path}.moved`);
        symlinkSync(`${path}.moved`, path);
      },
      "was replaced by a symlink",
    ],
    [
      "replaced by a FIFO, without blocking",
      (path) => {
        rmSync(path);
        execFileSync("mkfifo", [path]);
      },
      "was replaced",
    ],
    [
      "replaced by a directory",
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
      "was replaced",
    ],
  ];
  test.each(changes)("%s", (_, change, what) => {
    const root = tempTree();
    const path = join(root, "fi\u00e9le");
    writeFileSync(path, CONTENTS);
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    const index = scan(root);
    change(path);
    expect(thrownBy(() => wholeTar(index))).toMatchObject({
      name: "Fault",
      code: "EXPORT_LAYER_CHANGED",
      message: `file changed while it was exported: ${path} ${what}`,
    });
  });

  test("an empty file that grew", () => {
    const root = tempTree();
    const path = join(root, "empty");
    writeFileSync(path, "");
    const index = scan(root);
    writeFileSync(path, "x");
    expect(thrownBy(() => wholeTar(index))).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: `file changed while it was exported: ${path} had 0 bytes and now has 1`,
    });
  });

  test("a directory above it replaced by a file", () => {
    const root = tempTree();
    const path = join(root, "directory", "file");
    mkdirSync(join(root, "directory"));
    writeFileSync(path, CONTENTS);
    const index = scan(root);
    rmSync(join(root, "directory"), { recursive: true });
    writeFileSync(join(root, "directory"), "");
    expect(thrownBy(() => wholeTar(index))).toMatchObject({ name: "Fault", message: `open ${path}: not a directory` });
  });

  test("found by a block in the middle of the file", () => {
    const root = tempTree();
    const path = join(root, "file");
    writeFileSync(path, Buffer.alloc(3 * BLOCK_SIZE));
    const index = scan(root);
    appendFileSync(path, "more");
    for (const block of [0, 1, 2])
      expect(thrownBy(() => buildBlock(index, block, Buffer.alloc(BLOCK_SIZE)))).toMatchObject({
        code: "EXPORT_LAYER_CHANGED",
      });
  });
});

describe("a file touched after the scan is read and reported", () => {
  const touches: [string, (path: string) => void, string][] = [
    ["its times were set", (path) => utimesSync(path, 1, 2), "contents"],
    ["its mode was changed", (path) => chmodSync(path, 0o600), "contents"],
    [
      "replaced by a copy with its times",
      (path) => {
        const { atime, mtime } = lstatSync(path);
        copyFileSync(path, `${path}.new`);
        utimesSync(`${path}.new`, atime, mtime);
        renameSync(`${path}.new`, path);
      },
      "contents",
    ],
    ["it was rewritten before anything was read", (path) => writeFileSync(path, "CONTENTS"), "CONTENTS"],
    [
      "it was rewritten and its modification time reset",
      (path) => {
        const { atime, mtime } = lstatSync(path);
        writeFileSync(path, "CONTENTS");
        utimesSync(path, atime, mtime);
      },
      "CONTENTS",
    ],
  ];
  test.each(touches)("%s", (_, touch, contents) => {
    const root = tempTree();
    const path = join(root, "file");
    writeFileSync(path, "contents");
    const index = scan(root);
    touch(path);
    const block = Buffer.alloc(index.tarSize);
    const start = block.length - 1024 - 512;
    expect(buildBlock(index, 0, block)).toEqual([{ path, start, size: 8 }]);
    expect(block.toString("latin1", start, start + 8)).toBe(contents);
  });

  test("a large file in several blocks, by each of them", () => {
    const root = tempTree();
    const path = join(root, "file");
    writeFileSync(path, Buffer.alloc(3 * BLOCK_SIZE, 1));
    const index = scan(root);
    utimesSync(path, 1, 2);
    const [first] = [...entriesBetween(index, index.tarSize - 2048, index.tarSize)];
    for (const block of [0, 1, 2, 3])
      expect(buildBlock(index, block, Buffer.alloc(blockLength(index, block)))).toEqual([
        { path, start: (first?.offset ?? 0) + 512, size: 3 * BLOCK_SIZE },
      ]);
  });
});

describe("a file that does not have its reported size fails with the reference's text", () => {
  /** The index of a single file. */
  function indexOf(path: string): TarIndex {
    const { size, mtimeMs, ctimeMs } = statSync(path);
    return buildTarIndex([madeEntry(path, { size, mtimeMs, ctimeMs })]);
  }

  test.each([
    ["no bytes, and has some", "/proc/version", /^read \/proc\/version: archive\/tar: write too long$/],
    ["a page, and has less", "/sys/kernel/uevent_seqnum", /: archive\/tar: missed writing \d{4} bytes$/],
  ])("%s", (_, path, says) => {
    expect(thrownBy(() => wholeTar(indexOf(path)))).toMatchObject({
      code: "EXPORT_LAYER_CONTENTS",
      message: expect.stringMatching(says),
      destination: path,
      hint: expect.stringContaining("Remove the file"),
    });
  });

  test("at the very end of a block", () => {
    const headers = Array.from({ length: BLOCK_SIZE / 512 - 1 }, (_, i) =>
      madeEntry(`/directory-${i}`, { type: TAR_TYPE.directory }),
    );
    const { mtimeMs, ctimeMs } = statSync("/proc/version");
    const index = buildTarIndex([...headers, madeEntry("/proc/version", { mtimeMs, ctimeMs })]);
    expect(thrownBy(() => buildBlock(index, 0, Buffer.alloc(BLOCK_SIZE)))).toMatchObject({
      message: "read /proc/version: archive/tar: write too long",
    });
  });
});

test("contents from another path are read through a symlink, even under the entry's own name", () => {
  const root = tempTree();
  const path = join(root, "launcher");
  writeFileSync(join(root, "real"), "binary");
  symlinkSync("real", path);
  const { size, mtimeMs, ctimeMs } = statSync(path);
  const index = buildTarIndex([madeEntry(path, { size, mtimeMs, ctimeMs })], path);
  expect(wholeTar(index).toString("latin1", 512, 518)).toBe("binary");
});
