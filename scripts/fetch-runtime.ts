import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { z } from "zod";
import { runTool } from "./build-tool.ts";

/** Node.js's name of each architecture, by the name in images. */
export const ARCHITECTURES = { amd64: "x64", arm64: "arm64" } as const;
export type Architecture = keyof typeof ARCHITECTURES;

const root = dirname(import.meta.dirname);

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), integrity: z.string().optional() })),
});

export interface Runtime {
  readonly node: Buffer;
  readonly license: Buffer;
}

/**
 * Gets the pinned Node.js of an architecture: the installed one, or else the package in the lock file, fetched and
 * verified.
 * @param temporary an empty directory for downloads
 */
export async function fetchRuntime(architecture: Architecture, temporary: string): Promise<Runtime> {
  const name = `node-linux-${ARCHITECTURES[architecture]}`;
  const installed = join(root, "node_modules", name);
  if (existsSync(installed))
    return { node: readFileSync(join(installed, "bin", "node")), license: readFileSync(join(installed, "LICENSE")) };
  const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) throw new Error(`package-lock.json does not pin ${name}`);
  const file = join(
    temporary,
    runTool("npm", ["pack", `${name}@${version}`, "--loglevel=error", "--pack-destination", temporary], {
      remedy: "Install npm, which comes with Node.js",
    }).trim(),
  );
  const archive = readFileSync(file);
  const found = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  if (found !== integrity) throw new Error(`${name}@${version} is ${found}, and package-lock.json says ${integrity}`);
  return { node: await readEntry(archive, "package/bin/node"), license: await readEntry(archive, "package/LICENSE") };
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
