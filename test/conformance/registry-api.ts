import { z } from "zod";
import { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/descriptor.ts";
import { digestOf } from "../../src/oci/digest.ts";
import type { RunImage } from "./run-image.ts";

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_MANIFEST_LIST].join(", ");

const catalogSchema = z.object({ repositories: z.array(z.string()).nullable() });
const tagsSchema = z.object({ tags: z.array(z.string()).nullable() });

/** A manifest as a registry serves it. */
export interface TaggedManifest {
  readonly repository: string;
  readonly tag: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly digest: string;
}

/** Pushes a run image as `run:latest`, blob by blob. */
export async function pushRunImage(host: string, image: RunImage): Promise<void> {
  const base = `http://${host}/v2/run`;
  for (const bytes of image.blobs) {
    const opened = await send(`${base}/blobs/uploads/`, { method: "POST" });
    const location = new URL(opened.headers.get("location") ?? "", base);
    location.searchParams.set("digest", digestOf(bytes));
    await send(location.href, put(bytes, "application/octet-stream"));
  }
  for (const { bytes, mediaType } of image.manifests)
    for (const name of [digestOf(bytes), "latest"]) await send(`${base}/manifests/${name}`, put(bytes, mediaType));
}

/** Every tag of every repository, sorted. */
export async function listManifests(host: string): Promise<TaggedManifest[]> {
  const found: TaggedManifest[] = [];
  const { repositories } = catalogSchema.parse(await (await send(`http://${host}/v2/_catalog?n=1000`)).json());
  for (const repository of repositories ?? []) {
    const listed = await fetch(`http://${host}/v2/${repository}/tags/list`);
    // A repository without a tag is unknown to some registries.
    const { tags } = listed.ok ? tagsSchema.parse(await listed.json()) : { tags: [] };
    for (const tag of (tags ?? []).sort()) {
      const manifest = await readManifest(host, repository, tag);
      if (manifest !== undefined) found.push(manifest);
    }
  }
  return found;
}

/** @param name a tag or a digest. @returns undefined when it is not there */
export async function readManifest(
  host: string,
  repository: string,
  name: string,
): Promise<TaggedManifest | undefined> {
  const response = await fetch(`http://${host}/v2/${repository}/manifests/${name}`, { headers: { accept: ACCEPT } });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) return undefined;
  const contentType = response.headers.get("content-type") ?? "";
  return { repository, tag: name, contentType, bytes, digest: digestOf(bytes) };
}

export async function readBlob(host: string, repository: string, digest: string): Promise<Buffer> {
  return Buffer.from(await (await send(`http://${host}/v2/${repository}/blobs/${digest}`)).arrayBuffer());
}

function put(bytes: Buffer, contentType: string): RequestInit {
  return { method: "PUT", body: new Uint8Array(bytes), headers: { "content-type": contentType } };
}

async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${init.method ?? "GET"} ${url}: ${response.status} ${await response.text()}`);
  return response;
}
