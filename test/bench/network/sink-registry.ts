import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/*
 * A registry that drops the bytes of blobs as they come: it neither hashes nor stores them, and takes their digests as
 * given. Manifests and blobs of up to 64 KiB (configs, layers of the test's run image) stay in memory, because clients
 * read them back. `startRegistryPair` runs it as a process of its own; it ends with its parent. Arguments: files of a
 * certificate and its key, for TLS.
 */

const MOST_KEPT_BYTES = 64 << 10;

interface Kept {
  readonly type: string;
  readonly body: Buffer;
}

let takenBytes = 0;
let lastUpload = 0;
const manifests = new Map<string, Kept>();
/** Sizes of all blobs, and bodies of the small ones, by repository and digest. */
const blobs = new Map<string, { readonly size: number; readonly body: Buffer | undefined }>();
const uploads = new Map<string, Upload>();

/** A body as far as it was received. */
class Upload {
  size = 0;
  #chunks: Buffer[] = [];

  async receive(request: IncomingMessage): Promise<void> {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      this.size += chunk.length;
      takenBytes += chunk.length;
      if (this.size <= MOST_KEPT_BYTES) this.#chunks.push(chunk);
      else this.#chunks = [];
    }
  }

  get body(): Buffer | undefined {
    return this.size <= MOST_KEPT_BYTES ? Buffer.concat(this.#chunks) : undefined;
  }
}

const UPLOAD = /^\/v2\/(.+)\/blobs\/uploads\/(.*)$/;
const BLOB = /^\/v2\/(.+)\/blobs\/(sha256:[0-9a-f]{64})$/;
const MANIFEST = /^\/v2\/(.+)\/manifests\/(.+)$/;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://sink");
  const [, repository = "", id = ""] = UPLOAD.exec(url.pathname) ?? [];
  if (repository !== "") return await answerUpload(request, response, repository, id, url.searchParams.get("digest"));
  if (MANIFEST.test(url.pathname)) return await answerManifest(request, response, url.pathname);
  const blob = blobs.get(url.pathname);
  if (BLOB.test(url.pathname)) {
    if (blob === undefined) return refuse(response, "BLOB_UNKNOWN");
    const headers = { "content-length": blob.size, "docker-content-digest": url.pathname.split("/").at(-1) ?? "" };
    // A client that wants a dropped blob back would get a truncated one.
    if (request.method === "GET" && blob.body === undefined) return send(response, 410);
    return send(response, 200, headers, request.method === "GET" ? blob.body : undefined);
  }
  send(response, url.pathname === "/v2/" ? 200 : 404);
}

async function answerUpload(
  request: IncomingMessage,
  response: ServerResponse,
  repository: string,
  id: string,
  digest: string | null,
): Promise<void> {
  const isOpening = request.method === "POST";
  const name = isOpening ? String(++lastUpload) : id;
  const upload = uploads.get(name) ?? new Upload();
  uploads.set(name, upload);
  if (request.method === "DELETE") {
    uploads.delete(name);
    return send(response, 204);
  }
  const location = `/v2/${repository}/blobs/uploads/${name}`;
  const progress = (): Record<string, string> => ({ location, range: `0-${Math.max(0, upload.size - 1)}` });
  if (request.method === "GET") return send(response, 204, progress());
  await upload.receive(request);
  if (digest === null) return send(response, 202, progress());
  const path = `/v2/${repository}/blobs/${digest}`;
  blobs.set(path, { size: upload.size, body: upload.body });
  uploads.delete(name);
  send(response, 201, { location: path, "docker-content-digest": digest });
}

async function answerManifest(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  if (request.method === "PUT") {
    const body = await buffer(request);
    const kept = { type: request.headers["content-type"] ?? "", body };
    manifests.set(path, kept);
    manifests.set(path.replace(/[^/]+$/, digestOf(body)), kept);
    return send(response, 201, { "docker-content-digest": digestOf(body) });
  }
  const kept = manifests.get(path);
  if (kept === undefined) return refuse(response, "MANIFEST_UNKNOWN");
  const headers = { "content-type": kept.type, "content-length": kept.body.length };
  const digest = { "docker-content-digest": digestOf(kept.body) };
  send(response, 200, { ...headers, ...digest }, request.method === "GET" ? kept.body : undefined);
}

/** The reference looks at the code in the body. */
function refuse(response: ServerResponse, code: string): void {
  send(response, 404, { "content-type": "application/json" }, Buffer.from(JSON.stringify({ errors: [{ code }] })));
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash("sha256").update(body).digest("hex")}`;
}

function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | number>> = {},
  body?: Buffer,
): void {
  response.writeHead(status, headers).end(body);
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  answer(request, response).catch(() => response.destroy());
}

const [certificate, key] = process.argv.slice(2);
const server =
  certificate === undefined || key === undefined
    ? createServer(serve)
    : createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }, serve);

process.on("message", async (message) => {
  if (message === "count") {
    process.send?.({ takenBytes });
    return;
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on("disconnect", () => process.exit(0));
