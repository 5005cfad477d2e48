import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, statSync, utimesSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { runPass } from "../../../src/engine/pass.ts";
import type { WorkerPool } from "../../../src/engine/pool.ts";
import { LayerWork } from "../../../src/observe/layer-work.ts";
import type { Digest } from "../../../src/oci/digest.ts";
import { BLOCK_SIZE, blockCount, type TarIndex } from "../../../workers/protocol.ts";
import { buildTarIndex, type ScannedEntry } from "../../../workers/scan/tar-index.ts";
import { newPool } from "../../support/build/layer-plans.ts";
import { ownSpool } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { copyOf } from "../../support/growing-blob.ts";
import { madeEntry, wholeTar } from "../../support/images/tar-entries.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { seededRandom } from "../../support/random.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(2);
});
afterAll(() => pool.close());

const RANK = { priority: 0, order: 0 };
const NEVER = new AbortController().signal;

/** Has many more blocks than there are slots. @param broken number of a file that has changed */
function indexOf(directory: string, files: number, broken?: number): TarIndex {
  const random = seededRandom(files).below;
  const entries = Array.from({ length: files }, (_, i): ScannedEntry => {
    const name = join(directory, `file-${String(i).padStart(3, "0")}`);
    writeFileSync(name, Buffer.alloc(BLOCK_SIZE / 2 + random(BLOCK_SIZE), `contents ${i} ${random(1000)}`));
    const { size, mtimeMs, ctimeMs } = statSync(name);
    return madeEntry(name, { size: i === broken ? size - 1 : size, mtimeMs, ctimeMs });
  });
  return buildTarIndex(entries);
}

function acquireSlots(count = pool.slots.size) {
  return Promise.all(Array.from({ length: count }, () => pool.slots.acquire(RANK)));
}

async function expectAllSlotsFree(): Promise<void> {
  const held = await acquireSlots();
  expect(new Set(held.map(({ number }) => number)).size).toBe(pool.slots.size);
  for (const slot of held) slot.release();
}

/** Holds a lease, and says when it is asked to give it back. Told to, it does so. */
const LEASE = `import fcntl, os, signal, sys
signal.signal(signal.SIGIO, lambda *_: os.write(1, b"asked\\n"))
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.write(1, b"leased\\n")
sys.stdin.readline()
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
sys.stdin.readline()
`;

test.runIf(findProgram("python3") !== undefined)(
  "a file that another process holds a lease on is waited for",
  async () => {
    const directory = tempTree();
    // Not a few, which the main thread would try first.
    const index = indexOf(directory, 20);
    const holder = spawn("python3", ["-c", LEASE, join(directory, "file-000")], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void holder.kill());
    await once(holder.stdout, "data");
    const passed = runPass(pool, index, { diffId: true, spool: undefined }, RANK, NEVER);
    expect(String(await once(holder.stdout, "data"))).toBe("asked\n");
    holder.stdin.write("\n");
    const { tarDigest } = await passed;
    expect(tarDigest?.sha256).toBe(createHash("sha256").update(wholeTar(index)).digest("hex"));
  },
);

test("a pass hashes and compresses the whole tar, and frees all slots", async () => {
  const index = indexOf(tempTree(), 20);
  const tar = wholeTar(index);
  const spool = await ownSpool(tempTree());
  const { tarDigest, blobDigest } = await runPass(pool, index, { diffId: true, spool }, RANK, NEVER);
  if (blobDigest === undefined) throw new Error("no blob");
  spool.complete({ digest: `sha256:${blobDigest.sha256}` as Digest, size: blobDigest.size });
  const bytes = await copyOf(spool.read(0));
  await spool.release();
  expect(tarDigest).toEqual({
    kind: "digest-done",
    sha256: createHash("sha256").update(tar).digest("hex"),
    size: tar.length,
    crc32: crc32(tar),
  });
  expect(blobDigest).toEqual({
    kind: "digest-done",
    sha256: createHash("sha256").update(bytes).digest("hex"),
    size: bytes.length,
    crc32: crc32(tar),
  });
  expect(gunzipSync(bytes).equals(tar)).toBe(true);
  await expectAllSlotsFree();
});

test("every digest of every block is reported before the pass ends, even if the threads' replies come first", async () => {
  const index = indexOf(tempTree(), 2);
  const spool = await ownSpool(tempTree());
  const digest = pool.digest.bind(pool);
  const unheard = vi.spyOn(pool, "digest").mockImplementation((...task) => {
    const running = digest(...task);
    vi.spyOn(running.port, "on").mockReturnValue(running.port);
    return running;
  });
  onTestFinished(() => unheard.mockRestore());
  const told: string[] = [];
  const work = new LayerWork("a", () => undefined, { block: () => undefined, digest: (_, kind) => told.push(kind) });
  const { blobDigest } = await runPass(pool, index, { diffId: true, spool, work }, RANK, NEVER);
  spool.complete({ digest: `sha256:${blobDigest?.sha256}` as Digest, size: blobDigest?.size ?? 0 });
  await spool.release();
  const blocks = blockCount(index);
  expect(told.sort()).toEqual([...Array(blocks).fill("blob"), ...Array(blocks).fill("diff-id")]);
  await expectAllSlotsFree();
});

test.each([0, 1, 10, 19])("a change of file %i fails the pass with its name, and frees all slots", async (broken) => {
  const directory = tempTree();
  const index = indexOf(directory, 20, broken);
  const spool = await ownSpool(tempTree());
  const fault = await rejectionOf(runPass(pool, index, { diffId: true, spool }, RANK, NEVER));
  spool.fail(fault);
  expect(fault).toMatchObject({
    code: "EXPORT_LAYER_CHANGED",
    message: expect.stringContaining(`${join(directory, `file-${String(broken).padStart(3, "0")}`)} had `),
  });
  await expectAllSlotsFree();
});

describe("a file of several blocks that changes between two of them", () => {
  const BLOCKS = 5;

  /** Runs a pass that makes one block at a time. @param act called after each block with the number made so far */
  async function passOver(path: string, act: (blocksMade: number) => void) {
    const { size, mtimeMs, ctimeMs } = statSync(path);
    const index = buildTarIndex([madeEntry(path, { size, mtimeMs, ctimeMs })]);
    const held = await acquireSlots(pool.slots.size - 1);
    const makeBlock = pool.block.bind(pool);
    let made = 0;
    const blocks = vi.spyOn(pool, "block").mockImplementation(async (task) => {
      const done = await makeBlock(task);
      act(++made);
      return done;
    });
    onTestFinished(() => blocks.mockRestore());
    const result = await runPass(pool, index, { diffId: true, spool: undefined }, RANK, NEVER).then(
      ({ tarDigest, touched }) => ({ sha256: tarDigest?.sha256, touched }),
      (error: unknown) => error,
    );
    for (const slot of held) slot.release();
    await expectAllSlotsFree();
    return { result, made };
  }

  function largeFile(): string {
    const path = join(tempTree(), "large");
    writeFileSync(path, Buffer.alloc((BLOCKS - 1) * BLOCK_SIZE, "contents"));
    untilNextTick(path);
    return path;
  }

  /** Waits until a change of the file would get another time. */
  function untilNextTick(path: string): void {
    const other = join(tempTree(), "other");
    do writeFileSync(other, "");
    while (statSync(other).ctimeMs === statSync(path).ctimeMs);
  }

  /** Checks that the tar is still the one that the pass hashed. */
  function tarSha256(path: string): string {
    const { size, mtimeMs, ctimeMs } = statSync(path);
    const tar = wholeTar(buildTarIndex([madeEntry(path, { size, mtimeMs, ctimeMs })]));
    return createHash("sha256").update(tar).digest("hex");
  }

  function overwrite(path: string, position: number): void {
    const file = openSync(path, "r+");
    writeSync(file, "CHANGED", position);
    closeSync(file);
  }

  test.each([
    ["is touched", (path: string) => utimesSync(path, 1, 2)],
    ["is written to where nothing was read yet", (path: string) => overwrite(path, 3 * BLOCK_SIZE)],
  ])("and %s is read twice and exported", async (_, change) => {
    const path = largeFile();
    const { result, made } = await passOver(path, (blocksMade) => {
      if (blocksMade === 2) change(path);
    });
    expect(result).toEqual({ sha256: tarSha256(path), touched: path });
    expect(made).toBe(2 * BLOCKS);
  });

  test.each([
    [1, 2],
    [2, BLOCKS - 1],
  ])("and is written to in block %i, which was read, fails after block %i", async (written, after) => {
    const path = largeFile();
    const { result } = await passOver(path, (blocksMade) => {
      if (blocksMade === after) overwrite(path, (written - 1) * BLOCK_SIZE + 512);
    });
    expect(result).toMatchObject({
      code: "EXPORT_LAYER_CHANGED",
      message: `file changed while it was exported: ${path} was written to`,
    });
  });

  test("and is written to where it was read twice is exported as it was", async () => {
    const path = largeFile();
    const before = tarSha256(path);
    const { result } = await passOver(path, (blocksMade) => {
      if (blocksMade === 2) utimesSync(path, 1, 2);
      if (blocksMade === BLOCKS + 2) overwrite(path, 0);
    });
    expect(result).toEqual({ sha256: before, touched: path });
  });

  test("and is touched after each block is exported", async () => {
    const path = largeFile();
    const { result } = await passOver(path, (blocksMade) => utimesSync(path, blocksMade, blocksMade));
    expect(result).toEqual({ sha256: tarSha256(path), touched: path });
  });
});

test.each([
  { code: "EXPORT_LAYER_SPOOL", flag: "-spool-dir" },
  { code: "EXPORT_LAYOUT_WRITE", flag: "-layout-dir" },
] as const)("a full disk fails the pass with $code, and frees all slots", async ({ code, flag }) => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  const file = { fileDescriptor: full, directory: "/full", code };
  const products = { diffId: true, spool: { file, offset: 0, grow: () => undefined } };
  const index = indexOf(tempTree(), 20);
  expect(await rejectionOf(runPass(pool, index, products, RANK, NEVER))).toMatchObject({
    code,
    message: "failed to write compressed layer to /full: no space left on device",
    hint: expect.stringContaining(flag),
  });
  await expectAllSlotsFree();
});

test("an abort ends a pass before and while blocks are built", async () => {
  const index = indexOf(tempTree(), 20);
  const reason = new Error("stop");
  const products = { diffId: true, spool: undefined };
  expect(await rejectionOf(runPass(pool, index, products, RANK, AbortSignal.abort(reason)))).toBe(reason);
  await expectAllSlotsFree();

  const controller = new AbortController();
  const spool = await ownSpool(tempTree());
  const running = runPass(pool, index, { diffId: true, spool }, RANK, controller.signal);
  await spool.reaches(20); // more than the gzip header: some block has been written
  controller.abort(reason);
  expect(await rejectionOf(running)).toBe(reason);
  spool.fail(reason);
  await expectAllSlotsFree();
});

test("two passes share the slots; the more urgent one's blocks go first", async () => {
  const [app, cache] = [indexOf(tempTree(), 40), indexOf(tempTree(), 40)];
  const blocks = vi.spyOn(pool, "block");
  onTestFinished(() => blocks.mockRestore());
  const held = await acquireSlots();
  const run = (index: TarIndex, priority: number) =>
    runPass(pool, index, { diffId: true, spool: undefined }, { priority, order: 0 }, NEVER);
  const both = [run(cache, 1), run(app, 0)];
  for (const slot of held) slot.release();
  await Promise.all(both);
  const asked = blocks.mock.calls.map(([{ tar }]) => (tar === app ? "app" : "cache"));
  const lastOfApp = asked.lastIndexOf("app");
  const cacheBefore = asked.slice(0, lastOfApp).filter((name) => name === "cache").length;
  expect(asked.length).toBe(blockCount(app) + blockCount(cache));
  // Both got slots while some were free; from then on, slots go to the app image.
  expect(cacheBefore).toBeLessThanOrEqual(pool.arena.slots);
  await expectAllSlotsFree();
});
