import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { parse } from "smol-toml";
import { extract, type Header, type Pack, pack } from "tar-stream";
import { z } from "zod";
import { architectureOf } from "../binary/elf.ts";
import type { Architecture } from "../binary/fetch-runtime.ts";

/** A file, a link or a directory. Parent directories need no entry. */
export interface ArchiveEntry {
  /** Path in the archive: `lifecycle.toml`, or `lifecycle/<file>`. */
  readonly name: string;
  readonly mode: number;
  readonly content: Buffer | { readonly linkTo: string } | "directory";
}

/** Labels list the members in this order, that of the reference's structs (tools/image/main.go). */
const apiSetSchema = z.object({ deprecated: z.array(z.string()).default([]), supported: z.array(z.string()).min(1) });
const descriptorSchema = z.object({
  apis: z.object({ buildpack: apiSetSchema, platform: apiSetSchema }),
  lifecycle: z.object({ version: z.string() }),
});

export type LifecycleDescriptor = z.infer<typeof descriptorSchema>;

export interface ReleasedLifecycle {
  readonly path: string;
  readonly entries: readonly ArchiveEntry[];
  readonly architecture: Architecture;
  readonly descriptor: LifecycleDescriptor;
}

export const PROGRAMS = "lifecycle";

/** Programs that platforms look for (pack's internal/builder/lifecycle.go). */
const PHASES = ["analyzer", "builder", "creator", "detector", "exporter", "launcher", "restorer"];

/** The time of all files in the lifecycle's own archives (archive.NormalizedModTime). */
const MTIME = new Date(Date.UTC(1980, 0, 1, 0, 0, 1));

/** Reads a release archive of the lifecycle (.tgz). @throws Error that names the archive and what is wrong with it */
export async function readLifecycle(path: string): Promise<ReleasedLifecycle> {
  const entries = await readArchive(path);
  const contentOf = (name: string): Buffer => {
    const content = entries.find((entry) => entry.name === name)?.content;
    if (Buffer.isBuffer(content)) return content;
    throw new Error(`${path} is no release archive of the lifecycle: it has no file ${name}`);
  };
  const descriptor = parseDescriptor(contentOf("lifecycle.toml").toString("utf8"), path);
  const names = new Set(entries.map(({ name }) => name));
  const missing = PHASES.filter((name) => !names.has(`${PROGRAMS}/${name}`));
  if (missing.length > 0)
    throw new Error(`${path} is no release archive of the lifecycle: it has no ${PROGRAMS}/${missing.join(", ")}`);
  const architecture = architectureOf(contentOf(`${PROGRAMS}/launcher`));
  if (architecture !== undefined) return { path, entries, architecture, descriptor };
  throw new Error(`${path}: its launcher is neither for linux/amd64 nor for linux/arm64`);
}

function parseDescriptor(text: string, path: string): LifecycleDescriptor {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new Error(`${path}: lifecycle.toml is not valid TOML`, { cause: error });
  }
  const descriptor = descriptorSchema.safeParse(document);
  if (descriptor.success) return descriptor.data;
  throw new Error(`${path}: lifecycle.toml: ${z.prettifyError(descriptor.error)}`);
}

/** @throws Error if the file is not a .tgz, or is truncated */
export async function readArchive(path: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  const tar = extract();
  const piped = pipeline(createReadStream(path), createGunzip(), tar);
  // Reading the entries fails, too, and is awaited first.
  piped.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name, type, mode = 0o644, linkname } = entry.header;
      if (type === "file") entries.push({ name: clean(name), mode, content: await buffer(entry) });
      else if (type === "symlink") entries.push({ name: clean(name), mode, content: { linkTo: linkname ?? "" } });
      else if (type === "link")
        throw new Error(`${name} is a hard link, which neither pack nor kpack would take along`);
      entry.resume();
    }
    await piped;
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  return entries;
}

function clean(name: string): string {
  return name.replace(/^(\.?\/)+/, "");
}

/** Writes entries as a tar, below a directory that comes first with its parents. @param prefix "" or `/a/b/` */
export function packArchive(entries: readonly ArchiveEntry[], prefix: string): Pack {
  const tar = pack();
  const owned = { uid: 0, gid: 0, mtime: MTIME };
  const directories = [
    prefix,
    ...new Set(entries.map(({ name }) => prefix + name.slice(0, name.lastIndexOf("/") + 1))),
  ].flatMap((path) => [...path.matchAll(/[^/]\//g)].map(({ index }) => path.slice(0, index + 1)));
  for (const name of new Set(directories)) tar.entry({ ...owned, name, type: "directory", mode: 0o755 });
  for (const { name, mode, content } of entries) {
    const header: Partial<Header> & { name: string } = { ...owned, name: prefix + name, mode };
    if (content === "directory") tar.entry({ ...header, type: "directory" });
    else if (Buffer.isBuffer(content)) tar.entry(header, content);
    else tar.entry({ ...header, type: "symlink", linkname: content.linkTo });
  }
  tar.finalize();
  return tar;
}
