import { createHash } from "node:crypto";
import {
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { parse } from "smol-toml";
import { z } from "zod";
import { putBlob } from "../src/destinations/layout/blob.ts";
import { Layout } from "../src/destinations/layout/layout.ts";
import { engineParts } from "../src/export/engine-parts.ts";
import { serialiseImage } from "../src/images/built-image.ts";
import { NORMALISED_TIME } from "../src/images/created.ts";
import { blankEntry } from "../src/images/history.ts";
import { loadCompression } from "../src/layers/block-encoder.ts";
import type { Layer } from "../src/layers/layer.ts";
import { LayerStore } from "../src/layers/layer-store.ts";
import { WorkerPool } from "../src/layers/worker-pool.ts";
import { type Digest, digestOf } from "../src/oci/digest.ts";
import { emptyImageConfig, imageConfigBytes } from "../src/oci/image-config.ts";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../src/oci/media-types.ts";
import { APP_PRIORITY } from "../src/plan/layer-plan.ts";
import { BINARY_FILES, buildBinary, LIBRARY_DIRECTORIES } from "./build-binary.ts";
import type { Architecture } from "./fetch-runtime.ts";
import { type ArchiveEntry, architectureOf, packArchive, readArchive } from "./lifecycle-archive.ts";

const USAGE = `npm run build:lifecycle -- <lifecycle-v….tgz> [--out dist/lifecycle] [--binary directory]

Takes a release archive of the lifecycle and writes two things with its exporter and creator replaced:
<out>/<name>+tandem.tgz, for builder.toml's lifecycle.uri or pack's --lifecycle-…; and <out>/image, an OCI image layout for kpack's ClusterLifecycle
(push it with, for instance, skopeo copy oci:<out>/image docker://…). --binary: what build:binary made, instead of making it.`;

/** Compressed once and pulled often. */
const LEVEL = 6;

const RELEASE = "lifecycle";

/** What there is in lifecycle.toml for the image's labels. */
const apiSetSchema = z.object({ supported: z.array(z.string()).min(1), deprecated: z.array(z.string()).default([]) });
const descriptorSchema = z.object({
  apis: z.object({ buildpack: apiSetSchema, platform: apiSetSchema }),
  lifecycle: z.object({ version: z.string() }),
});
type LifecycleDescriptor = z.infer<typeof descriptorSchema>;

export interface LifecycleOptions {
  /** Release archive. */
  readonly archive: string;
  /** Where both results go. */
  readonly out: string;
  /** The executable and what goes with it; undefined to make it. */
  readonly binary: string | undefined;
}

/** Replaces the exporter and the creator of a lifecycle. @returns the paths of the archive and of the image layout */
export async function buildLifecycle({ archive, out, binary }: LifecycleOptions): Promise<readonly [string, string]> {
  const temporary = mkdtempSync(join(tmpdir(), "tandem-lifecycle-"));
  try {
    const released = await readArchive(archive);
    const { architecture, descriptor } = inspect(released, archive);
    const directory = binary ?? join(temporary, "binary");
    if (binary === undefined)
      await buildBinary({ architecture, directory, libraries: LIBRARY_DIRECTORIES[architecture] });
    const entries = replace(released, directory);
    mkdirSync(out, { recursive: true });
    const results = [
      join(out, basename(archive).replace(/\.(tgz|tar\.gz)$/, "+tandem.tgz")),
      join(out, "image"),
    ] as const;
    await writeBoth(entries, { architecture, descriptor }, results, temporary);
    return results;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

interface Inspected {
  readonly architecture: Architecture;
  readonly descriptor: LifecycleDescriptor;
}

/** @throws Error that names the archive and what it lacks */
function inspect(entries: readonly ArchiveEntry[], archive: string): Inspected {
  const contentOf = (name: string): Buffer => {
    const content = entries.find((entry) => entry.name === name)?.content;
    if (Buffer.isBuffer(content)) return content;
    throw new Error(`${archive} is no release archive of the lifecycle: it has no file ${name}`);
  };
  const architecture = architectureOf(contentOf(`${RELEASE}/launcher`));
  if (architecture === undefined)
    throw new Error(`${archive}: its launcher is neither for linux/amd64 nor for linux/arm64`);
  const descriptor = descriptorSchema.safeParse(parse(contentOf("lifecycle.toml").toString("utf8")));
  if (descriptor.success) return { architecture, descriptor: descriptor.data };
  throw new Error(`${archive}: lifecycle.toml: ${z.prettifyError(descriptor.error)}`);
}

/** The archive's entries with the executable's files in the place of those of the same name, or behind all. */
function replace(released: readonly ArchiveEntry[], directory: string): ArchiveEntry[] {
  const own = BINARY_FILES.map((name) => join(directory, name))
    .filter(existsSync)
    .map(ownEntry);
  const names = new Set(own.map(({ name }) => name));
  return [...released.filter(({ name }) => !names.has(name)), ...own];
}

function ownEntry(path: string): ArchiveEntry {
  const name = `${RELEASE}/${basename(path)}`;
  if (lstatSync(path).isSymbolicLink()) return { name, mode: 0o777, content: { linkTo: readlinkSync(path) } };
  return { name, mode: statSync(path).mode & 0o777, content: readFileSync(path) };
}

/** Both tars are compressed by the exporter's engine, at the same time. */
async function writeBoth(
  entries: readonly ArchiveEntry[],
  inspected: Inspected,
  [archive, image]: readonly [string, string],
  temporary: string,
): Promise<void> {
  const { entries: threads, deflate } = engineParts();
  const workers = availableParallelism();
  const pool = new WorkerPool(threads, workers, loadCompression("gzip", LEVEL, ...deflate));
  const store = new LayerStore(pool, workers, temporary);
  const signal = new AbortController().signal;
  try {
    const compress = async (prefix: string, order: number) =>
      store.layer(await planOf(entries, prefix, order, join(temporary, `${order}.tar`)), signal);
    const [forPack, forImage] = [await compress("", 0), await compress("/cnb/", 1)];
    await pipeline((await forPack.blob()).read(0, signal), createWriteStream(archive));
    forPack.release();
    await writeImage(forImage, inspected, image, signal);
    forImage.release();
  } finally {
    await pool.close();
  }
}

async function planOf(entries: readonly ArchiveEntry[], prefix: string, order: number, path: string) {
  await pipeline(packArchive(entries, prefix), createWriteStream(path));
  const bytes = readFileSync(path);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
  return {
    key: path,
    id: `${RELEASE}-${order}`,
    source: { kind: "extension", index: order, path, digest, size: bytes.length },
    priority: APP_PRIORITY,
    order,
    expected: [],
    products: { blob: true, tarStream: false, tarFiles: [] },
    consumers: 1,
  } as const;
}

/** The image that the lifecycle's own tools/image makes, without a base: platforms take its last layer and its labels. */
async function writeImage(
  layer: Layer,
  { architecture, descriptor }: Inspected,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const blob = await layer.blob();
  const { digest, size } = await blob.done;
  const config = emptyImageConfig({ os: "linux", architecture });
  const built = serialiseImage(
    imageConfigBytes({
      ...config,
      created: NORMALISED_TIME,
      history: [blankEntry(NORMALISED_TIME)],
      rootfs: { ...config.rootfs, diff_ids: [await layer.diffId] },
      config: { ...config.config, Labels: labelsOf(descriptor), WorkingDir: "/layers" },
    }),
    {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: 0, digest: digestOf(new Uint8Array()) },
      layers: [{ mediaType: OCI_LAYER_GZIP, digest, size }],
    },
    OCI_MANIFEST,
  );
  const layout = new Layout(path);
  try {
    await layout.create();
    await putBlob(path, blob, signal);
    await layout.putImage(built, "latest");
  } finally {
    layout.close();
  }
}

/** As kpack and others read them (lifecycle tools/image/main.go). */
function labelsOf({ apis, lifecycle }: LifecycleDescriptor): Map<string, string> {
  const oldest = { buildpack: apis.buildpack.supported[0], platform: apis.platform.supported[0] };
  return new Map([
    ["io.buildpacks.builder.metadata", JSON.stringify({ lifecycle, api: oldest })],
    ["io.buildpacks.lifecycle.apis", JSON.stringify(apis)],
    ["io.buildpacks.lifecycle.version", lifecycle.version],
  ]);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string", default: join(import.meta.dirname, "..", "dist", "lifecycle") },
      binary: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const [archive, ...more] = positionals;
  if (values.help || archive === undefined || more.length > 0) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  for (const path of await buildLifecycle({ archive, out: values.out, binary: values.binary })) console.log(path);
}

if (import.meta.main) await main();
