import type { BlobStore, PendingUpload } from "./blob-store.ts";
import { type Exchange, type Reply, refusal } from "./exchange.ts";

/** Blobs and uploads of one repository (distribution-spec v1.1.1). */
export async function handleBlob(
  store: BlobStore,
  repository: string,
  rest: string,
  exchange: Exchange,
): Promise<Reply> {
  if (rest === "uploads/" || rest === "uploads") return begin(store, repository, exchange);
  if (!rest.startsWith("uploads/")) return readBlob(store, repository, rest, exchange);
  const upload = store.upload(repository, rest.slice("uploads/".length));
  if (upload === undefined) return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  switch (exchange.method) {
    case "GET":
      return upload.inTurn(async () => progress(upload, 204));
    case "PATCH":
      return patch(upload, exchange);
    case "PUT":
      await upload.append(exchange.body);
      return commit(store, upload, exchange.url.searchParams.get("digest") ?? "");
    case "DELETE":
      await upload.inTurn(() => store.cancel(upload));
      return { status: 204 };
    default:
      return refusal(405, "UNSUPPORTED", "The operation is unsupported.");
  }
}

async function readBlob(
  store: BlobStore,
  repository: string,
  digest: string,
  { method, headers }: Exchange,
): Promise<Reply> {
  if (!store.has(repository, digest)) return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry", { digest });
  const size = store.sizeOf(digest);
  const common = { "content-type": "application/octet-stream", "docker-content-digest": digest };
  if (method === "HEAD") return { status: 200, headers: { ...common, "content-length": String(size) } };
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
  const range = from > 0 ? { "content-range": `bytes ${from}-${size - 1}/${size}` } : {};
  return {
    status: from > 0 ? 206 : 200,
    headers: { ...common, ...range, "content-length": String(size - from) },
    body: store.read(digest, from),
  };
}

async function begin(store: BlobStore, repository: string, { method, url, body }: Exchange): Promise<Reply> {
  if (method !== "POST") return refusal(405, "UNSUPPORTED", "The operation is unsupported.");
  const mount = url.searchParams.get("mount");
  const from = url.searchParams.get("from");
  if (mount !== null && from !== null && store.has(from, mount)) {
    store.link(repository, mount);
    return { status: 201, headers: blobHeaders(repository, mount) };
  }
  const upload = await store.begin(repository);
  const digest = url.searchParams.get("digest");
  if (digest === null) return progress(upload, 202);
  await upload.append(body);
  return commit(store, upload, digest);
}

async function patch(upload: PendingUpload, { headers, body }: Exchange): Promise<Reply> {
  const start = /^(\d+)-\d+$/.exec(headers["content-range"] ?? "")?.[1];
  if (start !== undefined && Number(start) !== upload.size) {
    return {
      ...refusal(416, "BLOB_UPLOAD_INVALID", "blob upload invalid"),
      headers: progress(upload, 416).headers ?? {},
    };
  }
  await upload.append(body);
  return progress(upload, 202);
}

async function commit(store: BlobStore, upload: PendingUpload, digest: string): Promise<Reply> {
  if (await upload.inTurn(() => store.commit(upload, digest)))
    return { status: 201, headers: blobHeaders(upload.repository, digest) };
  return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
}

function progress(upload: PendingUpload, status: number): Reply {
  const headers = {
    location: `/v2/${upload.repository}/blobs/uploads/${upload.id}?_state=opaque`,
    range: `0-${Math.max(0, upload.size - 1)}`,
    "docker-upload-uuid": upload.id,
    "content-length": "0",
  };
  return { status, headers };
}

function blobHeaders(repository: string, digest: string) {
  return { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest, "content-length": "0" };
}
