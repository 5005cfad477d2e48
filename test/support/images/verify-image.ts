import { createHash, type Hash } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { z } from "zod";
import { OPEN_ACCESS, type RegistryAccess } from "./registry-access.ts";

const manifestSchema = z.object({
  config: z.object({ digest: z.string(), size: z.number() }),
  layers: z.array(z.object({ digest: z.string(), size: z.number(), mediaType: z.string() })),
});
const configSchema = z.object({
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
  config: z.object({ Labels: z.record(z.string(), z.string()).default({}) }),
});

/** Sizes are in bytes. */
export interface VerifiedImage {
  readonly digest: string;
  readonly layers: readonly {
    readonly digest: string;
    readonly diffId: string;
    readonly size: number;
    readonly mediaType: string;
  }[];
  readonly labels: Readonly<Record<string, string>>;
}

const ACCEPT = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/**
 * Pulls an image from a registry and recomputes every digest, size and diffID that it claims.
 * @param name `<host>:<port>/<repository>:<tag>`
 * @throws Error that names what does not match
 */
export async function verifyImage(name: string, access: RegistryAccess = OPEN_ACCESS): Promise<VerifiedImage> {
  const colon = name.lastIndexOf(":");
  const base = access.repositoryUrl(name.slice(0, colon));
  const bytes = await fetchBytes(access, `${base}/manifests/${name.slice(colon + 1)}`, { accept: ACCEPT });
  const manifest = manifestSchema.parse(JSON.parse(bytes.toString("utf8")));
  const configBytes = await fetchBytes(access, `${base}/blobs/${manifest.config.digest}`);
  same("config digest", digestOf(configBytes), manifest.config.digest);
  same("config size", configBytes.length, manifest.config.size);
  const { rootfs, config } = configSchema.parse(JSON.parse(configBytes.toString("utf8")));
  const { diff_ids: diffIds } = rootfs;
  same("number of layers", manifest.layers.length, diffIds.length);
  const layers = [];
  for (const [i, layer] of manifest.layers.entries()) {
    const compression = layer.digest === diffIds[i] ? "none" : layer.mediaType.endsWith("+zstd") ? "zstd" : "gzip";
    const pulled = await pullLayer(access, `${base}/blobs/${layer.digest}`, compression);
    same(`digest of layer ${i}`, pulled.digest, layer.digest);
    same(`size of layer ${i}`, pulled.size, layer.size);
    same(`diffID of layer ${i}`, pulled.diffId, diffIds[i]);
    layers.push({ ...pulled, mediaType: layer.mediaType });
  }
  return { digest: digestOf(bytes), layers, labels: config.Labels };
}

function same(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what} is ${found}, expected ${expected}`);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function fetchBytes(access: RegistryAccess, url: string, headers: Record<string, string> = {}): Promise<Buffer> {
  return Buffer.from(await (await access.send(url, { headers })).arrayBuffer());
}

const DECOMPRESSORS = {
  gzip: () => createGunzip({ chunkSize: 1 << 18 }),
  zstd: () => createZstdDecompress({ chunkSize: 1 << 18 }),
  none: () => new PassThrough(),
};

async function pullLayer(access: RegistryAccess, url: string, compression: keyof typeof DECOMPRESSORS) {
  const { body } = await access.send(url);
  if (body === null) throw new Error(`GET ${url}: no body`);
  const compressed = createHash("sha256");
  const tar = createHash("sha256");
  let size = 0;
  const source = Readable.fromWeb(body).on("data", (chunk: Buffer) => {
    compressed.update(chunk);
    size += chunk.length;
  });
  const into = (hash: Hash) => async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) hash.update(chunk);
  };
  await pipeline(source, DECOMPRESSORS[compression](), into(tar));
  return { digest: `sha256:${compressed.digest("hex")}`, diffId: `sha256:${tar.digest("hex")}`, size };
}
