import { hash } from "node:crypto";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { filesBelow } from "../support/file-tree.ts";

/** Caches that tools write among the modules, now and then while something is measured. */
const WRITTEN = /\/node_modules\/\.[^/]+\//;

/** A file of the machine and its size in bytes. */
export interface PickedFile {
  readonly path: string;
  readonly size: number;
}

interface Pool {
  readonly folders: readonly string[];
  readonly pattern: RegExp;
  readonly sizes: readonly [least: number, most: number];
}

const modules = join(import.meta.dirname, "..", "..", "node_modules");
const SYSTEM = ["/usr/lib", "/usr/local", "/opt", "/usr/share"];
const ANY_SIZE = [1, Number.POSITIVE_INFINITY] as const;

/** Kinds of files that layers are made of, and where machines have them. The project's own modules are on every machine. */
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
 * Files of a pool, folder by folder, in an order that looks random but is the same each time, so that a part of a folder is
 * like the whole: a JDK begins with its archives. undefined once, each time that all have been given, then from the start
 * again.
 */
export type PoolReader = Generator<PickedFile | undefined, never>;

/** @throws Error when the machine has no such file at all */
export function* readPool(name: PoolName): PoolReader {
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
