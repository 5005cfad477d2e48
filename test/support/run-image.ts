import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { digestOf } from "../../src/oci/digest.ts";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/oci/media-types.ts";

/** The bytes of a small OCI run image with one layer. */
export async function smallRunImage(): Promise<Readonly<Record<"layer" | "config" | "manifest", Buffer>>> {
  const archive = pack();
  archive.entry({ name: "etc/os-release", mtime: new Date(0) }, 'ID="demo"\n');
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
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: config.length, digest: digestOf(config) },
      layers: [{ mediaType: OCI_LAYER_GZIP, size: layer.length, digest: digestOf(layer) }],
    }),
  );
  return { layer, config, manifest };
}

/**
 * Pushes that image to a registry over plain http.
 * @param repository `<host>:<port>/<path>`
 * @param credentials of a registry with basic authentication
 * @returns its reference by digest, as analyzed.toml names it
 */
export async function pushRunImage(repository: string, credentials?: string): Promise<string> {
  const { layer, config, manifest } = await smallRunImage();
  const base = apiUrl(repository);
  const headers = credentials === undefined ? {} : { authorization: `Basic ${btoa(credentials)}` };
  for (const bytes of [layer, config]) await putBlob(base, bytes, headers);
  await send(`${base}/manifests/latest`, "PUT", { ...headers, "content-type": OCI_MANIFEST }, manifest);
  return `${repository}@${digestOf(manifest)}`;
}

function apiUrl(repository: string): string {
  const slash = repository.indexOf("/");
  return `http://${repository.slice(0, slash)}/v2/${repository.slice(slash + 1)}`;
}

type Headers = Readonly<Record<string, string>>;

async function putBlob(base: string, bytes: Buffer, headers: Headers): Promise<void> {
  const opened = await send(`${base}/blobs/uploads/`, "POST", headers);
  const location = new URL(opened.headers.get("location") ?? "", base);
  location.searchParams.set("digest", digestOf(bytes));
  await send(location.href, "PUT", { ...headers, "content-type": "application/octet-stream" }, bytes);
}

async function send(url: string, method: string, headers: Headers, body?: Buffer): Promise<Response> {
  const response = await fetch(url, { method, body: body === undefined ? null : new Uint8Array(body), headers });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}
