import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { extract, type Header, type Pack, pack } from "tar-stream";
import type { Architecture } from "./fetch-runtime.ts";

/** A file or a link of a lifecycle; directories are made where they are needed. */
export interface ArchiveEntry {
  /** Path in the archive: `lifecycle.toml`, or `lifecycle/<file>`. */
  readonly name: string;
  readonly mode: number;
  readonly content: Buffer | { readonly linkTo: string };
}

/** The time of all files, as the lifecycle's own packager has it (archive.NormalizedModTime). */
const MTIME = new Date(Date.UTC(1980, 0, 1, 0, 0, 1));

/** ELF's e_machine (offset 18) of the architectures that there are executables for. */
const MACHINES: Readonly<Record<number, Architecture>> = { 62: "amd64", 183: "arm64" };

/** Reads a release archive of the lifecycle (.tgz). Rejects when it is none. */
export async function readArchive(path: string): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  const tar = extract();
  const gunzip = createGunzip();
  const file = createReadStream(path);
  for (const stream of [file, gunzip]) stream.on("error", (error) => tar.destroy(error));
  file.pipe(gunzip).pipe(tar);
  for await (const entry of tar) {
    const { name, type, mode = 0o644, linkname } = entry.header;
    if (type === "file") entries.push({ name: clean(name), mode, content: await buffer(entry) });
    else if (type === "symlink") entries.push({ name: clean(name), mode, content: { linkTo: linkname ?? "" } });
    else if (type === "link")
      throw new Error(`${path}: ${name} is a hard link, which neither pack nor kpack would take along`);
    entry.resume();
  }
  return entries;
}

function clean(name: string): string {
  return name.replace(/^(\.?\/)+/, "");
}

/** For which architecture a program is. */
export function architectureOf(program: Buffer): Architecture | undefined {
  if (program.subarray(0, 4).toString("latin1") !== "\x7fELF") return undefined;
  return MACHINES[program.readUInt16LE(18)];
}

/** Writes entries as a tar, below a directory that is made first with all above it. @param prefix "" or `/a/b/` */
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
    if (Buffer.isBuffer(content)) tar.entry(header, content);
    else tar.entry({ ...header, type: "symlink", linkname: content.linkTo });
  }
  tar.finalize();
  return tar;
}
