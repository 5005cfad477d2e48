import { copyFileSync, linkSync, lstatSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type BuildOutput, buildpackDirectory, writeBuildOutput } from "../support/build-output.ts";
import { compressedSize } from "./compressed-size.ts";
import { type PickedFile, type PoolName, type PoolReader, readPool } from "./file-pools.ts";
import type { Amount, BenchLayer, Scenario, Zeros } from "./scenarios.ts";

/** A scenario's build on disk. Sizes in bytes, before compression. */
export interface BenchBuild {
  readonly output: BuildOutput;
  readonly files: number;
  readonly bytes: number;
  /** Directories that become layers of each image, below the build's root. */
  readonly images: Readonly<Record<"app" | "cache", readonly string[]>>;
  /** A file of the largest layer whose content may be changed; no link to a file of the machine. */
  readonly mark: string;
}

/**
 * Makes the output of a build from files of this machine: hard links where they are on one file system, copies elsewhere and
 * where a file is needed once more.
 * The same machine gives the same build. Layers of a scenario share no file until the machine has no more of a kind.
 * @param scale of all amounts: 1 is the scenario as it is
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

/** Gives a build another content, so that its first layer differs; the size stays. */
export function writeMark(mark: string, text: string): void {
  writeFileSync(mark, text.padEnd(100));
}

class Picker {
  files = 0;
  bytes = 0;
  readonly #scale: number;
  readonly #pools = new Map<PoolName, PoolReader>();
  /** Inodes that are linked. A second link would be the same file, which tar and buildkit store without its contents. */
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
      // Another file system, or files of others, which systems may not let us link.
      copyFileSync(path, target);
    }
    this.#linked.add(ino);
    return size;
  }
}

/** The start of the last file of an amount, so that the amount is met. */
function placePart({ path, size }: PickedFile, target: string, part: number): number {
  const bytes = readFileSync(path).subarray(0, Math.max(1, Math.round(size * part)));
  writeFileSync(target, bytes);
  return bytes.length;
}
