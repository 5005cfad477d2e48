import { hash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { ROOT } from "../../../scripts/script.ts";
import { type BuildOutput, buildpackDirectory, writeBuildOutput } from "../../support/build/build-output.ts";
import { filesBelow } from "../../support/files/file-tree.ts";
import type { Amount, BenchLayer, Scenario, Zeros } from "../scenarios.ts";

/** A scenario's build on disk. Sizes in bytes, before compression. */
export interface BenchBuild {
  readonly output: BuildOutput;
  readonly files: number;
  readonly bytes: number;
  /** Directories that become layers of each image, relative to the build's root. */
  readonly images: Readonly<Record<"app" | "cache", readonly string[]>>;
  /** A file of the first layer that may be modified; not a link to a file of the machine. */
  readonly mark: string;
}

/**
 * Creates a scenario's build from files of this machine, as hard links where possible and copies otherwise. The same
 * machine gives the same build. Layers share no file until the machine has no more of a kind.
 * @param scale factor for all amounts
 */
export function makeBuild(root: string, { layers, app }: Scenario, scale: number): BenchBuild {
  const types = layers.map(({ name, launch, cache }) => [name, { from: [], launch, cache }] as const);
  const output = writeBuildOutput(root, Object.fromEntries(types), []);
  const picker = new Picker(scale);
  for (const { name, contents } of layers) {
    const directory = join(buildpackDirectory(output), name);
    if (contents.pool === "zeros") picker.fillWithZeros(directory, contents);
    else picker.fill(directory, contents);
  }
  picker.fill(output.appDir, app);
  const mark = join(buildpackDirectory(output), layers[0]?.name ?? "", "mark");
  writeMark(mark, "");
  const directories = (chosen: readonly BenchLayer[]): string[] =>
    chosen.map(({ name }) => relative(root, join(buildpackDirectory(output), name)));
  const images = {
    app: [...directories(layers.filter(({ launch }) => launch)), relative(root, output.appDir)],
    cache: directories(layers.filter(({ cache }) => cache)),
  };
  return { output, files: picker.files, bytes: picker.bytes, images, mark };
}

/** Changes the content of a build's first layer, but not its size. */
export function writeMark(mark: string, text: string): void {
  writeFileSync(mark, text.padEnd(100));
}

class Picker {
  files = 0;
  bytes = 0;
  readonly #scale: number;
  readonly #pools = new Map<PoolName, PoolReader>();
  /** Linked inodes. tar and buildkit would store a second link without its content. */
  readonly #linked = new Set<number>();

  constructor(scale: number) {
    this.#scale = scale;
  }

  fillWithZeros(directory: string, { amount }: Zeros): void {
    const size = Math.round(amount * this.#scale);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, "zeros");
    writeFileSync(path, "");
    truncateSync(path, size);
    this.files += 1;
    this.bytes += size;
  }

  fill(directory: string, { pool, unit, amount }: Amount): void {
    mkdirSync(directory, { recursive: true });
    const reader = this.#pools.get(pool) ?? readPool(pool);
    this.#pools.set(pool, reader);
    let left = amount * this.#scale;
    for (let round = 1; left > 0; ) {
      const file = reader.next().value;
      if (file === undefined) {
        round += 1;
        continue;
      }
      const worth = unit === "files" ? 1 : unit === "bytes" ? file.size : compressedSize(file);
      const target = join(directory, `round-${round}`, file.path);
      mkdirSync(dirname(target), { recursive: true });
      const isWhole = worth <= left || unit === "files";
      const size = isWhole ? this.#place(file, target) : placePart(file, target, left / worth);
      left -= worth;
      this.files += 1;
      this.bytes += size;
    }
  }
  /** @returns the size in bytes */
  #place({ path, size }: PickedFile, target: string): number {
    const { ino } = lstatSync(path);
    try {
      if (this.#linked.has(ino)) copyFileSync(path, target);
      else linkSync(path, target);
    } catch {
      // Another file system, or protected_hardlinks.
      copyFileSync(path, target);
    }
    this.#linked.add(ino);
    return size;
  }
}

/** Copies the start of a file, to meet an amount exactly. */
function placePart({ path, size }: PickedFile, target: string, part: number): number {
  const bytes = readFileSync(path).subarray(0, Math.max(1, Math.round(size * part)));
  writeFileSync(target, bytes);
  return bytes.length;
}

/** Caches that tools write below node_modules, possibly during a measurement. */
const WRITTEN = /\/node_modules\/\.[^/]+\//;

/** A file of the machine, with its size in bytes. */
interface PickedFile {
  readonly path: string;
  readonly size: number;
}

interface Pool {
  readonly folders: readonly string[];
  readonly pattern: RegExp;
  readonly sizes: readonly [least: number, most: number];
}

const modules = join(ROOT, "node_modules");
const SYSTEM = ["/usr/lib", "/usr/local", "/opt", "/usr/share"];
const ANY_SIZE = [1, Number.POSITIVE_INFINITY] as const;

/** Kinds of files, and where machines have them. Every machine has the project's own modules. */
const POOLS = {
  toolchains: {
    folders: ["/usr/lib/jvm", "/usr/local/go", "/usr/lib/gcc", join(modules, "@rolldown"), modules, ...SYSTEM],
    pattern: /./,
    sizes: ANY_SIZE,
  },
  libraries: { folders: [...SYSTEM, modules], pattern: /\.(so(\.[\d.]+)?|node)$/, sizes: ANY_SIZE },
  binaries: { folders: ["/usr/local", "/usr/bin", modules], pattern: /^[^.]+$/, sizes: [1_000_000, ANY_SIZE[1]] },
  text: {
    folders: [modules, "/usr/include", "/usr/share", "/usr/lib"],
    pattern: /\.(ts|js|mjs|cjs|md|json|h|hpp|py|txt|html)$/,
    sizes: ANY_SIZE,
  },
  archives: {
    folders: ["/usr/share", "/usr/lib", "/opt", "/var/lib"],
    pattern: /\.(gz|jar|jmod|whl|png|xz|zip|jpg|woff2|tgz|zst|bz2)$/,
    sizes: ANY_SIZE,
  },
  small: { folders: [modules, ...SYSTEM], pattern: /./, sizes: [1, 16 << 10] },
} as const satisfies Record<string, Pool>;

export type PoolName = keyof typeof POOLS;

/**
 * Files of a pool, folder by folder, in a shuffled but stable order, so that a part of a folder resembles the whole.
 * Yields undefined after the last file, then starts again.
 */
type PoolReader = Generator<PickedFile | undefined, never>;

/** @throws Error if the machine has no such file */
function* readPool(name: PoolName): PoolReader {
  const { folders, pattern, sizes }: Pool = POOLS[name];
  for (;;) {
    const given = new Set<string>();
    for (const folder of folders) {
      for (const path of shuffled(filesBelow(folder, pattern))) {
        if (given.has(path) || WRITTEN.test(path)) continue;
        const { size } = lstatSync(path);
        if (size < sizes[0] || size > sizes[1]) continue;
        given.add(path);
        yield { path, size };
      }
    }
    if (given.size === 0) throw new Error(`this machine has no files for ${name} below ${folders.join(", ")}`);
    yield undefined;
  }
}

function shuffled(paths: Iterable<string>): string[] {
  const keyed = Array.from(paths, (path) => ({ path, key: hash("sha1", path) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ path }) => path);
}

const SAMPLE_BYTES = 32 << 10;
const MOST_SAMPLES = 8;

/** Estimates the size of a file after gzip -1, from samples spread evenly over it. */
function compressedSize({ path, size }: PickedFile): number {
  const samples = Math.min(MOST_SAMPLES, Math.ceil(size / SAMPLE_BYTES));
  const sample = Buffer.allocUnsafe(SAMPLE_BYTES);
  const file = openSync(path, "r");
  let [read, left] = [0, 0];
  try {
    for (let i = 0; i < samples; i++) {
      const at = Math.floor((i * Math.max(0, size - SAMPLE_BYTES)) / Math.max(1, samples - 1));
      const length = readSync(file, sample, 0, SAMPLE_BYTES, at);
      read += length;
      left += gzipSync(sample.subarray(0, length), { level: 1 }).length;
    }
  } finally {
    closeSync(file);
  }
  return read === 0 ? 0 : (size * left) / read;
}
