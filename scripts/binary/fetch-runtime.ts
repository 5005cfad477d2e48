import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { z } from "zod";
import { runTool } from "../run-tool.ts";
import { makeTemporaryDirectory, ROOT } from "../script.ts";

/** Node.js's name of each architecture, by the name in images. */
export const ARCHITECTURES = { amd64: "x64", arm64: "arm64" } as const;
export type Architecture = keyof typeof ARCHITECTURES;

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), integrity: z.string().optional() })),
});

export interface Runtime {
  readonly node: Buffer;
  readonly license: Buffer;
}

/**
 * Gets the pinned Node.js of an architecture: the installed one, or else the package in the lock file.
 * @param packages directory that keeps fetched packages for later builds
 */
export async function fetchRuntime(architecture: Architecture, packages: string): Promise<Runtime> {
  const name = `node-linux-${ARCHITECTURES[architecture]}`;
  const installed = join(ROOT, "node_modules", name);
  if (existsSync(installed))
    return { node: readFileSync(join(installed, "bin", "node")), license: readFileSync(join(installed, "LICENSE")) };
  const archive = fetchArchive(name, packages);
  return { node: await readEntry(archive, "package/bin/node"), license: await readEntry(archive, "package/LICENSE") };
}

/** @throws Error if npm cannot fetch the package, or it is not the one in the lock file */
function fetchArchive(name: string, directory: string): Buffer {
  const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")));
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not pin ${name}`);
  const kept = join(directory, `${name}-${version}.tgz`);
  const earlier = existsSync(kept) ? readFileSync(kept) : undefined;
  if (earlier !== undefined && integrityOf(earlier) === integrity) return earlier;
  mkdirSync(directory, { recursive: true });
  const temporary = makeTemporaryDirectory(join(directory, "npm-"));
  try {
    const args = ["pack", `${name}@${version}`, "--loglevel=error", "--pack-destination", temporary];
    const file = join(temporary, runTool("npm", args, { remedy: "Install npm, which comes with Node.js" }).trim());
    const archive = readFileSync(file);
    const found = integrityOf(archive);
    if (found !== integrity) throw new Error(`${name}@${version} is ${found}, and package-lock.json says ${integrity}`);
    renameSync(file, kept);
    return archive;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

function integrityOf(archive: Buffer): string {
  return `sha512-${createHash("sha512").update(archive).digest("base64")}`;
}

async function readEntry(archive: Buffer, name: string): Promise<Buffer> {
  const entries = extract();
  const gunzip = createGunzip();
  gunzip.on("error", (error) => entries.destroy(error));
  gunzip.pipe(entries);
  gunzip.end(archive);
  for await (const entry of entries) {
    if (entry.header.name === name) return await buffer(entry);
    entry.resume();
  }
  throw new Error(`the archive has no ${name}`);
}
