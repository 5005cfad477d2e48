import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { z } from "zod";
import { runTool } from "./build-tool.ts";

/** Architectures by the name that images have for them, with the name that Node.js has. */
export const ARCHITECTURES = { amd64: "x64", arm64: "arm64" } as const;
export type Architecture = keyof typeof ARCHITECTURES;

const root = dirname(import.meta.dirname);

const lockSchema = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional(), integrity: z.string().optional() })),
});

/** Files of the pinned package of Node.js. */
export interface Runtime {
  readonly node: Buffer;
  readonly license: Buffer;
}

/**
 * The pinned Node.js of an architecture: the installed one, or the package that the lock file names, fetched and checked.
 * @param temporary a directory that may be filled
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
    runTool("npm", ["pack", `${name}@${version}`, "--silent", "--pack-destination", temporary]).trim(),
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
