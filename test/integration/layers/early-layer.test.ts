import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
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
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { StampedBuild } from "../../../src/early/early-layer.ts";
import { WorkerPool } from "../../../src/engine/pool.ts";
import { APP_PRIORITY, CACHE_PRIORITY, type DirectorySource, layerKey } from "../../../src/plan/layers.ts";
import { fastestGzip, newPool } from "../../support/build/layer-plans.ts";
import { openSpools, spoolsClosed } from "../../support/files/spools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { findProgram } from "../../support/process/find-program.ts";
import { type SeededRandom, seededBytes, seededRandom } from "../../support/random.ts";
import { WAIT } from "../../support/runner/time-limits.ts";
import { EarlyScene, IS_TRUSTED } from "../../support/scenes/early-scene.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

let pool: WorkerPool;
beforeAll(() => {
  pool = newPool(2);
});
afterAll(() => pool.close());

const isRoot = process.getuid?.() === 0;

/** A layer of some files, one of them of more than a block. */
function layerTree(): string {
  const root = join(tempTree(), "layer");
  mkdirSync(join(root, "lib/deep"), { recursive: true });
  writeFileSync(join(root, "lib/large"), seededBytes(1_500_000, 7));
  writeFileSync(join(root, "lib/deep/a"), "aaaa");
  writeFileSync(join(root, "b"), "bbbb");
  symlinkSync("lib/deep/a", join(root, "link"));
  return root;
}

function source(root: string): DirectorySource {
  return { kind: "directory", path: root, uid: 1000, gid: 1000 };
}

type Rest<Arguments extends readonly unknown[]> = Arguments extends [unknown, ...infer Others] ? Others : [];

/** Begins a layer as soon as its last change is old enough. */
async function started(
  scene: EarlyScene,
  layer: DirectorySource,
  ...how: Rest<Parameters<EarlyScene["start"]>>
): Promise<StampedBuild> {
  return await vi.waitFor(async () => {
    const tried = await scene.start(layer, ...how);
    if (tried.kind !== "started") throw new Error(tried.reason);
    return tried.build;
  }, WAIT);
}

/** To the nanosecond, of which Node's own utimes has only some. */
function keepMtime(path: string, change: () => void): void {
  const times = join(tempTree({ times: "" }), "times");
  execFileSync("touch", ["-r", path, times]);
  change();
  execFileSync("touch", ["-r", times, path]);
}

/** Has a process open the file for writing until the test ends. */
function holdOpen(path: string): void {
  const file = openSync(path, "r+");
  const holder = spawn("sleep", ["600"], { stdio: ["ignore", file, "inherit"] });
  closeSync(file);
  onTestFinished(() => void holder.kill());
}

describe.runIf(IS_TRUSTED)("a layer that was built early", () => {
  test("is not read again if its tree is unchanged", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    await scene.early(layer);
    const without = await scene.exportWithoutEarly(layer);
    expect(await scene.export(layer)).toEqual({ ...without, reads: 0 });
    await spoolsClosed(scene.spoolDir);
  });

  test("is offered for upload when its blob begins to grow, also if it was hashed first", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    for (const expected of [[], ["sha256:other"]]) {
      const available = Promise.withResolvers<number>();
      await started(scene, layer, expected, (blob) => {
        available.resolve(blob.available);
        return undefined;
      });
      expect(await available.promise).toBe(0);
    }
    scene.layers.drop(layerKey(layer));
    await spoolsClosed(scene.spoolDir);
  });

  test("is not uploaded if it is dropped when its blob begins to grow", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    const build = await started(scene, layer);
    await build.blob;
    const upload = vi.fn(() => undefined);
    scene.layers.add(layerKey(layer), build, upload);
    scene.layers.drop(layerKey(layer));
    await build.blob;
    expect(upload).not.toHaveBeenCalled();
    await spoolsClosed(scene.spoolDir);
  });

  test("is compressed on its share of the threads until the build ends, then on all", async () => {
    const scene = new EarlyScene(pool, 1);
    const makeBlock = pool.block.bind(pool);
    const held: (() => void)[] = [];
    const blocks = vi.spyOn(pool, "block").mockImplementation(async (task) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return await makeBlock(task);
    });
    onTestFinished(() => blocks.mockRestore());
    const { layer } = await started(scene, source(layerTree()));
    await vi.waitFor(() => expect(held).toHaveLength(1), WAIT);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(held).toHaveLength(1);
    scene.endBuild();
    await vi.waitFor(() => expect(held).toHaveLength(2), WAIT);
    blocks.mockImplementation(makeBlock);
    for (const go of held) go();
    await layer;
  });

  test("that only the cache needs comes after the app image's while both are in progress", async () => {
    const scene = new EarlyScene(pool);
    const rank = { priority: APP_PRIORITY, order: 0 };
    const held = await Promise.all(Array.from({ length: pool.slots.size }, () => pool.slots.acquire(rank)));
    const blocks = vi.spyOn(pool, "block");
    onTestFinished(() => blocks.mockRestore());
    const { index, layer } = await started(scene, source(layerTree()), [], () => undefined, CACHE_PRIORITY);
    const exported = scene.export(source(layerTree()));
    await vi.waitFor(() => expect(pool.slots.waiting).toBe(2), WAIT);
    held[0]?.release();
    await exported;
    for (const slot of held) slot.release();
    await layer;
    const order = blocks.mock.calls.map(([{ tar }]) => (tar === index ? "cache" : "app"));
    expect(order).toEqual(["app", "app", "cache", "cache"]);
  });

  test("is not scanned for its verification once the build has ended", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    const build = await started(scene, layer);
    const scans = vi.spyOn(pool, "stamp");
    onTestFinished(() => scans.mockRestore());
    const ended = new Error("the build ended");
    expect(await rejectionOf(scene.verify(layer, build, AbortSignal.abort(ended)))).toBe(ended);
    expect(scans).not.toHaveBeenCalled();
    scene.layers.close();
    await spoolsClosed(scene.spoolDir);
  });

  test("leaves nothing open if it is released before its blob is requested", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    await scene.early(layer);
    const claimed = scene.layer(layer, { products: { blob: false, tarStream: false, tarFiles: [] } });
    await claimed.diffId;
    claimed.release();
    await spoolsClosed(scene.spoolDir);
  });

  /** Each changes a tree in a way that its stamp must show. */
  const CHANGES: Readonly<Record<string, (root: string) => void>> = {
    "a file with other contents of the same size": (root) => writeFileSync(join(root, "b"), "BBBB"),
    "a file of the same size whose mtime was set back": (root) => {
      const path = join(root, "b");
      keepMtime(path, () => writeFileSync(path, "BBBB"));
    },
    "one byte of a large file, with the mtime set back": (root) => {
      const path = join(root, "lib/large");
      const bytes = readFileSync(path);
      bytes[1_234_567] = ~(bytes[1_234_567] ?? 0) & 255;
      keepMtime(path, () => writeFileSync(path, bytes));
    },
    "a file replaced by rename": (root) => {
      const { atime, mtime } = statSync(join(root, "b"));
      writeFileSync(join(root, "../new"), "BBBB");
      utimesSync(join(root, "../new"), atime, mtime);
      renameSync(join(root, "../new"), join(root, "b"));
    },
    "a longer file": (root) => appendFileSync(join(root, "lib/deep/a"), "a"),
    "a shorter file": (root) => truncateSync(join(root, "lib/large"), 1_000_000),
    "a file more": (root) => writeFileSync(join(root, "lib/deep/c"), ""),
    "a file less": (root) => rmSync(join(root, "lib/deep/a")),
    "a directory more": (root) => mkdirSync(join(root, "lib/empty")),
    "another mode of a file": (root) => chmodSync(join(root, "b"), 0o755),
    "another mode of a directory": (root) => chmodSync(join(root, "lib"), 0o700),
    "another mode of a directory above": (root) => chmodSync(join(root, ".."), 0o711),
    "a file with only other times": (root) => utimesSync(join(root, "b"), 1, 1),
    "a symlink with only other times": (root) => lutimesSync(join(root, "link"), 1, 1),
    "another target of a symlink": (root) => {
      rmSync(join(root, "link"));
      symlinkSync("lib/deep/b", join(root, "link"));
    },
    "a directory swapped for a copy with other contents": (root) => {
      cpSync(join(root, "lib/deep"), join(root, "../deep"), { recursive: true, preserveTimestamps: true });
      writeFileSync(join(root, "../deep/a"), "AAAA");
      renameSync(join(root, "lib/deep"), join(root, "../old"));
      renameSync(join(root, "../deep"), join(root, "lib/deep"));
    },
    "the whole layer swapped for a copy": (root) => {
      cpSync(root, `${root}-copy`, { recursive: true, preserveTimestamps: true });
      writeFileSync(`${root}-copy/b`, "BBBB");
      renameSync(root, `${root}-old`);
      renameSync(`${root}-copy`, root);
    },
    "a file written through a new name outside of the layer": (root) => {
      linkSync(join(root, "b"), join(root, "../outside"));
      writeFileSync(join(root, "../outside"), "BBBB");
      rmSync(join(root, "../outside"));
    },
  };

  test.each(Object.entries(CHANGES))("is made anew: %s", async (_, change) => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await scene.early(source(root));
    change(root);
    const exported = await scene.export(source(root));
    expect(exported.reads).toBeGreaterThan(0);
    expect(exported).toEqual(await scene.exportWithoutEarly(source(root)));
    await spoolsClosed(scene.spoolDir);
  });

  test.runIf(isRoot)("is rebuilt: another owner", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await scene.early(source(root));
    chownSync(join(root, "b"), 12, 34);
    const exported = await scene.export(source(root));
    expect(exported.reads).toBeGreaterThan(0);
    expect(exported).toEqual(await scene.exportWithoutEarly(source(root)));
  });

  test("is rebuilt if files were written through another name in the tree", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    linkSync(join(root, "b"), join(root, "lib/same"));
    await scene.early(source(root));
    writeFileSync(join(root, "lib/same"), "BBBB");
    const exported = await scene.export(source(root));
    expect(exported.reads).toBeGreaterThan(0);
    expect(exported).toEqual(await scene.exportWithoutEarly(source(root)));
  });

  test("is exported with the other products that the export needs", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    await scene.early(layer);
    const directory = tempTree();
    const tarFiles = [{ directory, expected: [] }];
    const made = scene.layer(layer, { products: { blob: true, tarStream: false, tarFiles } });
    const { path } = await made.tarFile(directory);
    const digest = execFileSync("sha256sum", [path]).toString().slice(0, 64);
    expect(`sha256:${digest}`).toBe(await made.diffId);
    expect(made.counters).toMatchObject({ reads: 1, hashes: 1, compressions: 1, tarFiles: 1 });
    made.release();
    await spoolsClosed(scene.spoolDir);
  });

  test("is only hashed if an image has it, and compressed on request", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    const { diffId, digest } = await scene.exportWithoutEarly(layer);
    await vi.waitFor(async () => {
      expect(await scene.tryEarly(layer, [diffId])).toMatchObject({ kind: "built", layer: { blob: undefined } });
    }, WAIT);
    expect(await scene.export(layer)).toEqual({ diffId, digest, reads: 1 });
  });

  test("is claimed while in progress if its tree is unchanged when the build ends", async () => {
    const scene = new EarlyScene(pool);
    const layer = source(layerTree());
    await started(scene, layer);
    const exported = await scene.export(layer);
    expect(exported).toEqual({ ...(await scene.exportWithoutEarly(layer)), reads: 0 });
    await spoolsClosed(scene.spoolDir);
  });

  test("is rebuilt if its tree has changed when the build ends, even while in progress", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    const { layer } = await started(scene, source(root));
    // Otherwise the pass itself might see the change.
    await layer;
    writeFileSync(join(root, "b"), "BBBB");
    const exported = await scene.export(source(root));
    expect(exported.reads).toBeGreaterThan(0);
    expect(exported).toEqual(await scene.exportWithoutEarly(source(root)));
    await spoolsClosed(scene.spoolDir);
  });

  test("is rebuilt if a process can write to it when the build ends, while in progress", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await started(scene, source(root));
    holdOpen(join(root, "b"));
    expect((await scene.export(source(root))).reads).toBeGreaterThan(0);
    await spoolsClosed(scene.spoolDir);
  });

  test("leaves nothing open if the export fails while it is in progress", async () => {
    const scene = new EarlyScene(pool);
    await started(scene, source(layerTree()));
    scene.layers.close();
    await spoolsClosed(scene.spoolDir);
  });

  test("is cancelled with its upload if the export does not plan it; others continue", async () => {
    const scene = new EarlyScene(pool);
    const [unplanned, planned] = [source(layerTree()), source(layerTree())];
    const stop = vi.fn();
    const build = await started(scene, unplanned, [], () => ({ sentBytes: 0, stop }));
    await started(scene, planned);
    await build.blob;
    scene.layers.keepOnly(new Set([layerKey(planned)]));
    expect(stop).toHaveBeenCalledOnce();
    expect(await scene.export(planned)).toMatchObject({ reads: 0 });
    await spoolsClosed(scene.spoolDir);
  });

  test("leaves nothing open if it is never claimed", async () => {
    const scene = new EarlyScene(pool);
    await scene.early(source(layerTree()));
    expect(openSpools(scene.spoolDir)).toBe(1);
    scene.layers.close();
    await spoolsClosed(scene.spoolDir);
  });
});

describe.runIf(IS_TRUSTED)("a layer is not built early", () => {
  test("if one of its files has a name outside of it", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    linkSync(join(root, "b"), join(root, "../outside"));
    expect(await scene.tryEarly(source(root))).toMatchObject({ kind: "skip" });
  });

  test("on a file system that may hide changes", async () => {
    const result = await new EarlyScene(pool).tryEarly(source("/proc/self/task"));
    expect(result).toMatchObject({ kind: "skip", reason: expect.stringContaining("its file system") });
  });

  test("if it changed in the same tick of the clock as its scan", async () => {
    const layer = source(layerTree());
    const now = vi.spyOn(Date, "now").mockReturnValue(0);
    onTestFinished(() => now.mockRestore());
    const result = await new EarlyScene(pool).tryEarly(layer);
    expect(result).toMatchObject({ kind: "retry", reason: "it has just changed" });
  });

  test("if a process has opened one of its files for writing meanwhile", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    const build = await started(scene, source(root));
    await build.layer;
    holdOpen(join(root, "b"));
    expect(await scene.verify(source(root), build)).toBe("a process has opened one of its files for writing");
    scene.layers.close();
    await spoolsClosed(scene.spoolDir);
  });

  test("if it changes while it is built", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await vi.waitFor(async () => {
      const build = scene.tryEarly(source(root));
      const pass = vi.spyOn(pool, "digest").mockImplementationOnce((...task) => {
        writeFileSync(join(root, "lib/large"), seededBytes(1_500_000, 8));
        pass.mockRestore();
        return pool.digest(...task);
      });
      expect(await build).toMatchObject({ kind: "retry", reason: expect.stringContaining("changed") });
    }, WAIT);
    await spoolsClosed(scene.spoolDir);
  });

  test("if it changes after it was read", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await scene.early(source(root));
    const stamp = pool.stamp.bind(pool);
    const spy = vi.spyOn(pool, "stamp").mockImplementation((own) => {
      rmSync(join(root, "b"), { force: true });
      return stamp(own);
    });
    onTestFinished(() => spy.mockRestore());
    expect(await scene.tryEarly(source(root))).toMatchObject({ kind: "retry", reason: "it changed meanwhile" });
  });

  const python = findProgram("python3") !== undefined;

  /** Maps a file of a layer, and writes to the mapping whenever it is told to. */
  const MAPPER = `import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
mapping = mmap.mmap(file, 0)
os.closerange(3, 100)
for line in sys.stdin:
    at, value = line.split()
    mapping[int(at)] = int(value)
    print("written", flush=True)
`;

  function map(path: string) {
    const mapper = spawn("python3", ["-c", MAPPER, path], { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void mapper.kill());
    let written = 0;
    mapper.stdout.on("data", (lines: Buffer) => {
      written += lines.toString().split("written").length - 1;
    });
    const write = async (value: number) => {
      const before = written;
      mapper.stdin.write(`1000 ${value}\n`);
      await vi.waitFor(() => expect(written).toBeGreaterThan(before), WAIT);
    };
    const end = async () => {
      mapper.stdin.end();
      await text(mapper.stdout);
    };
    return { write, end };
  }

  test.runIf(python)("while a process has one of its files in a mapping that it may write to", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    const mapper = map(join(root, "lib/large"));
    await mapper.write(1);
    const mapped = { kind: "retry", reason: "a process has one of its files open for writing" };
    expect(await scene.tryEarly(source(root))).toMatchObject(mapped);
    await mapper.end();
    await scene.early(source(root));
  });

  test.runIf(python)("again if a mapping wrote to it later", async () => {
    const scene = new EarlyScene(pool);
    const root = layerTree();
    await scene.early(source(root));
    const mapper = map(join(root, "lib/large"));
    await mapper.write(1);
    await mapper.write(2);
    await mapper.end();
    const exported = await scene.export(source(root));
    expect(exported.reads).toBeGreaterThan(0);
    expect(exported).toEqual(await scene.exportWithoutEarly(source(root)));
  });
});

test("a pool that cannot start its threads says so before it is used", async () => {
  const missing = join(tempTree(), "missing.js");
  const own = new WorkerPool({ compressor: missing, digester: missing }, 1, fastestGzip());
  own.start();
  expect(own.isDead).toBe(false);
  await vi.waitFor(() => expect(own.isDead).toBe(true), WAIT);
  await own.close();
});

/* Random schedules. */

const SCHEDULES = Number(process.env.EARLY_SCHEDULES ?? 200);
/**
 * Most of a schedule is waiting for the clock. Each lane has threads of its own: an engine owns the memory of its
 * threads.
 */
const LANES = 4;

const NAMES = ["a", "b", "c", "d/e", "d/f", "d/g/h"];

/** Does something to a tree that a buildpack might do, whatever the tree is like. */
function act(root: string, random: SeededRandom): void {
  const path = join(root, random.pick(NAMES));
  const other = join(root, random.pick(NAMES));
  const acts = [
    () => writeFileSync(path, random.bytes(4)),
    () => writeFileSync(path, random.bytes(random.below(2000))),
    () => {
      const { atime, mtime } = statSync(path);
      writeFileSync(path, random.bytes(statSync(path).size));
      utimesSync(path, atime, mtime);
    },
    () => rmSync(path, { recursive: true }),
    () => renameSync(path, other),
    () => linkSync(path, other),
    () => chmodSync(path, 0o600 + random.below(64)),
    () => utimesSync(path, random.below(1e9), random.below(1e9)),
    () => symlinkSync(random.pick(NAMES), path),
    () => mkdirSync(path),
  ];
  try {
    random.pick(acts)();
  } catch {
    // Not with this tree.
  }
}

/** @returns whether the export read nothing */
async function runSchedule(seed: number, threads: WorkerPool): Promise<boolean> {
  const random = seededRandom(seed);
  const root = join(tempTree({ "layer/d/g/": "" }), "layer");
  for (const name of NAMES) writeFileSync(join(root, name), random.bytes(4));
  const scene = new EarlyScene(threads);
  const acts = (most: number) => {
    for (let count = random.below(most + 1); count > 0; count--) act(root, random);
  };
  for (let round = random.below(2); round >= 0; round--) {
    acts(3);
    const quiet = random.below(3) > 0;
    if (quiet) await new Promise((resolve) => setTimeout(resolve, 25));
    const build = scene.tryEarly(source(root));
    for (let turns = random.below(60); turns > 0 && !quiet; turns--) await new Promise(setImmediate);
    if (!quiet) acts(2);
    await build;
  }
  if (random.below(2) === 0) acts(2);
  // The build ends while the layer is being made.
  if (random.below(3) === 0) {
    await scene.start(source(root));
    if (random.below(2) === 0) acts(2);
  }
  const exported = await scene.export(source(root));
  const { diffId, digest } = await scene.exportWithoutEarly(source(root));
  expect(exported, `schedule ${seed}`).toMatchObject({ diffId, digest });
  scene.layers.close();
  expect(scene.layers.has(layerKey(source(root)))).toBe(false);
  return exported.reads === 0;
}

test.runIf(IS_TRUSTED)(`${SCHEDULES} random schedules of late writes never change a layer`, async () => {
  let [claimed, next] = [0, 1];
  const runLane = async () => {
    const threads = newPool(1);
    try {
      while (next <= SCHEDULES) if (await runSchedule(next++, threads)) claimed += 1;
    } finally {
      await threads.close();
    }
  };
  await Promise.all(Array.from({ length: LANES }, runLane));
  // Both outcomes are tried.
  expect(claimed).toBeGreaterThan(SCHEDULES / 10);
  expect(claimed).toBeLessThan((SCHEDULES * 9) / 10);
});
