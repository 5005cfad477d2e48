import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from "../../../src/oci/descriptor.ts";
import { digestOf } from "../../../src/oci/digest.ts";
import { OPEN_ACCESS, type RegistryAccess } from "./registry-access.ts";

/** A file of a run image; or a directory, whose path ends in `/`. */
export interface RunImageFile {
  readonly content: string | Buffer;
  readonly mode: number;
}

const OS_RELEASE: Readonly<Record<string, RunImageFile>> = {
  "etc/os-release": { content: 'ID="demo"\n', mode: 0o644 },
};

const OCI_TYPES = { manifest: OCI_MANIFEST, config: OCI_CONFIG, layer: OCI_LAYER_GZIP };
export const DOCKER_TYPES = { manifest: DOCKER_MANIFEST, config: DOCKER_CONFIG, layer: DOCKER_LAYER_GZIP };

/** The bytes of a small run image with one layer. @param files of that layer, by path */
export async function smallRunImage(
  files: Readonly<Record<string, RunImageFile>> = OS_RELEASE,
  types = OCI_TYPES,
): Promise<Readonly<Record<"layer" | "config" | "manifest", Buffer>>> {
  const archive = pack();
  for (const [name, { content, mode }] of Object.entries(files))
    archive.entry({ name, mode, type: name.endsWith("/") ? "directory" : "file", mtime: new Date(0) }, content);
  archive.finalize();
  const tar = await buffer(archive);
  const layer = gzipSync(tar);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
      config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], User: "1000:1000" },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, size: config.length, digest: digestOf(config) },
      layers: [{ mediaType: types.layer, size: layer.length, digest: digestOf(layer) }],
    }),
  );
  return { layer, config, manifest };
}

export async function emptyRunImage(): ReturnType<typeof smallRunImage> {
  const { layer, config: full, manifest } = await smallRunImage();
  const config = Buffer.from(full.toString().replace(/"diff_ids":\[.*?\]/, '"diff_ids":[]'));
  const text = manifest
    .toString()
    .replace(/"layers":\[.*?\]/, '"layers":[]')
    .replace(digestOf(full), digestOf(config))
    .replace(`"size":${full.length}`, `"size":${config.length}`);
  return { layer, config, manifest: Buffer.from(text) };
}

/**
 * Pushes a small run image to a registry.
 * @param repository `<host>:<port>/<path>`
 * @returns its reference by digest, as in analyzed.toml
 */
export async function pushRunImage(
  repository: string,
  access: RegistryAccess = OPEN_ACCESS,
  image = smallRunImage(),
  mediaType = OCI_MANIFEST,
): Promise<string> {
  const { layer, config, manifest } = await image;
  const base = access.repositoryUrl(repository);
  for (const bytes of [layer, config]) await putBlob(access, base, bytes);
  const headers = { "content-type": mediaType };
  await access.send(`${base}/manifests/latest`, { method: "PUT", headers, body: new Uint8Array(manifest) });
  return `${repository}@${digestOf(manifest)}`;
}

export async function putBlob(access: RegistryAccess, base: string, bytes: Buffer): Promise<void> {
  const opened = await access.send(`${base}/blobs/uploads/`, { method: "POST" });
  const location = new URL(opened.headers.get("location") ?? "", base);
  location.searchParams.set("digest", digestOf(bytes));
  const headers = { "content-type": "application/octet-stream" };
  await access.send(location.href, { method: "PUT", headers, body: new Uint8Array(bytes) });
}
