import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { BINARY_FILES, BINARY_LINKS, buildBinary, checkBinary } from "../binary/build-binary.ts";
import { makeStagingDirectory, ROOT, runScript, usageError } from "../script.ts";
import { type ArchiveEntry, PROGRAMS, type ReleasedLifecycle, readLifecycle } from "./archive.ts";
import { BASE_FILES, type LifecycleImage, writeImageLayout } from "./image.ts";
import { type CompressedTar, TarCompressor } from "./tar-compressor.ts";

const USAGE = `npm run build:lifecycle -- <lifecycle-v….tgz>... [--out dist/lifecycle] [--binary dist/binary] [--env <name>=<value>]...

Takes release archives of one lifecycle, at most one for each architecture, and writes them with exporter and creator replaced:
<out>/<name>+tandem.tgz for builder.toml's lifecycle.uri, and <out>/image, an OCI image layout with the lifecycle image for all of
these architectures. --binary: what build:binary made, instead of making it. --env: a variable of the image, for the exporter that pack
runs in it for untrusted builders.`;

export interface LifecycleOptions {
  readonly archives: readonly string[];
  /** Directory of the results. Earlier results are removed, even if this build fails. */
  readonly out: string;
  /** The directory that build:binary created; absent: builds it. */
  readonly binary?: string;
  /** Variables of the image, as `<name>=<value>`. */
  readonly env?: readonly string[];
}

export interface BuiltLifecycle {
  readonly archives: readonly string[];
  /** Path of an OCI image layout. */
  readonly image: string;
}

/** Replaces the exporter and the creator of a lifecycle. @throws Error; then there are no results */
export async function buildLifecycle({ archives, out, binary, env = [] }: LifecycleOptions): Promise<BuiltLifecycle> {
  const results = { archives: archives.map((path) => join(out, tandemName(path))), image: join(out, "image") };
  for (const path of [...results.archives, results.image]) rmSync(path, { recursive: true, force: true });
  checkVariables(env);
  const released: ReleasedLifecycle[] = [];
  for (const path of archives) released.push(await readLifecycle(path));
  checkTogether(released);
  mkdirSync(out, { recursive: true });
  const temporary = makeStagingDirectory(resolve(out), "lifecycle");
  const compressor = new TarCompressor(temporary);
  try {
    const base = await compressor.compress(BASE_FILES, "/");
    const made: CompressedTar[] = [];
    const images: LifecycleImage[] = [];
    for (const { architecture, descriptor, entries } of released) {
      const directory = join(binary ?? join(temporary, "binary"), `linux-${architecture}`);
      if (binary === undefined) await buildBinary(architecture, directory);
      else checkBinary(architecture, directory);
      const replaced = replace(entries, directory);
      made.push(await compressor.compress(replaced, ""));
      images.push({ architecture, descriptor, layers: [base, await compressor.compress(replaced, "/cnb/")] });
    }
    const layout = join(temporary, "image");
    writeImageLayout(layout, images, env);
    for (const [i, { path }] of made.entries()) renameSync(path, results.archives[i] ?? "");
    renameSync(layout, results.image);
    return results;
  } finally {
    await compressor.close();
    rmSync(temporary, { recursive: true });
  }
}

/** @throws Error for a text that is not a variable */
function checkVariables(env: readonly string[]): void {
  const wrong = env.find((variable) => !/^\w+=/.test(variable));
  if (wrong !== undefined) throw new Error(`--env ${wrong} is not <name>=<value>`);
}

function tandemName(archive: string): string {
  return `${basename(archive).replace(/\.(tgz|tar\.gz)$/, "")}+tandem.tgz`;
}

/** @throws Error unless all archives can become one image */
function checkTogether([first, ...others]: readonly ReleasedLifecycle[]): void {
  const names = [first, ...others].map((released) => basename(released?.path ?? ""));
  if (new Set(names).size < names.length) throw new Error(`archives need different names: ${names.join(", ")}`);
  const [seen, said] = [new Map([[first?.architecture, first?.path]]), JSON.stringify(first?.descriptor)];
  for (const { path, architecture, descriptor } of others) {
    const same = seen.get(architecture);
    if (same !== undefined) throw new Error(`${same} and ${path} are both for linux/${architecture}`);
    seen.set(architecture, path);
    if (JSON.stringify(descriptor) !== said)
      throw new Error(`${first?.path} and ${path} are different lifecycles: lifecycle.toml has other versions or APIs`);
  }
}

/** Replaces entries by the executable's files of the same name, and appends its other files. */
function replace(released: readonly ArchiveEntry[], directory: string): ArchiveEntry[] {
  // Modes and links are not the directory's, because copies of it may have lost them.
  const files = [...BINARY_FILES].map(([name, { mode }]): ArchiveEntry => {
    return { name: `${PROGRAMS}/${name}`, mode, content: readFileSync(join(directory, name)) };
  });
  const links = [...BINARY_LINKS].map(([name, linkTo]): ArchiveEntry => {
    return { name: `${PROGRAMS}/${name}`, mode: 0o777, content: { linkTo } };
  });
  const own = [...files, ...links];
  const names = new Set(own.map(({ name }) => name));
  return [...released.filter(({ name }) => !names.has(name)), ...own];
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      out: { type: "string", default: join(ROOT, "dist", "lifecycle") },
      binary: { type: "string" },
      env: { type: "string", multiple: true, default: [] },
    },
  });
  if (positionals.length === 0) throw usageError("no release archive is given");
  const { out, binary, env } = values;
  const options = { archives: positionals, out, env, ...(binary !== undefined && { binary }) };
  const { archives, image } = await buildLifecycle(options);
  for (const path of [...archives, image]) console.log(path);
}

if (import.meta.main) await runScript(USAGE, main);
