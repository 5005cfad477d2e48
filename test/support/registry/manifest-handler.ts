import { buffer } from "node:stream/consumers";
import { z } from "zod";
import { digestOf } from "../../../src/oci/digest.ts";
import type { BlobStore } from "./blob-store.ts";
import { type Exchange, type Reply, refusal } from "./exchange.ts";

const referencesSchema = z.object({
  config: z.object({ digest: z.string() }).optional(),
  layers: z.array(z.object({ digest: z.string(), mediaType: z.string().default("") })).default([]),
});

interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export class ManifestStore {
  readonly #manifests = new Map<string, StoredManifest>();
  readonly #tags = new Map<string, string>();
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async handle(repository: string, identifier: string, exchange: Exchange): Promise<Reply> {
    const digest = identifier.includes(":") ? identifier : this.#tags.get(`${repository}:${identifier}`);
    const found = digest === undefined ? undefined : this.#manifests.get(`${repository}@${digest}`);
    if (exchange.method === "PUT") return this.#put(repository, identifier, exchange);
    if (digest === undefined || found === undefined)
      return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown", { Tag: identifier });
    if (exchange.method === "DELETE") {
      this.#manifests.delete(`${repository}@${digest}`);
      return { status: 202 };
    }
    const headers = {
      "content-type": found.mediaType,
      "content-length": String(found.bytes.length),
      "docker-content-digest": digest,
    };
    return exchange.method === "HEAD" ? { status: 200, headers } : { status: 200, headers, body: found.bytes };
  }

  /** Tags by repository; both are sorted. */
  get repositories(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const name of [...this.#tags.keys()].sort()) {
      const [repository = "", tag = ""] = name.split(":");
      found.set(repository, [...(found.get(repository) ?? []), tag]);
    }
    return found;
  }

  find(repository: string, identifier: string): Buffer | undefined {
    const digest = this.#tags.get(`${repository}:${identifier}`) ?? identifier;
    return this.#manifests.get(`${repository}@${digest}`)?.bytes;
  }

  async #put(repository: string, identifier: string, { headers, body }: Exchange): Promise<Reply> {
    const bytes = await buffer(body);
    const digest = digestOf(bytes);
    if (identifier.includes(":") && identifier !== digest)
      return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
    const missing = this.#missingBlob(repository, bytes);
    if (missing !== undefined) return refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", missing);
    this.#manifests.set(`${repository}@${digest}`, { mediaType: headers["content-type"] ?? "", bytes });
    if (!identifier.includes(":")) this.#tags.set(`${repository}:${identifier}`, digest);
    return {
      status: 201,
      headers: {
        location: `/v2/${repository}/manifests/${digest}`,
        "docker-content-digest": digest,
        "content-length": "0",
      },
    };
  }

  #missingBlob(repository: string, bytes: Buffer): string | undefined {
    const { config, layers } = referencesSchema.parse(JSON.parse(bytes.toString("utf8")));
    const stored = layers.filter(({ mediaType }) => !/foreign|nondistributable/.test(mediaType));
    const wanted = [...(config === undefined ? [] : [config]), ...stored];
    return wanted.find(({ digest }) => !this.#blobs.has(repository, digest))?.digest;
  }
}
