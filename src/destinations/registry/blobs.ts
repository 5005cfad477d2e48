import { createHash } from "node:crypto";
import type { GrowingBlob } from "../../engine/layer.ts";
import { Fault } from "../../errors/fault.ts";
import { DENIED, NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import { networkFault } from "../../http/network-faults.ts";
import type { BuiltImage } from "../../images/image.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Digest, digestOf, isSha256, withoutAlgorithm } from "../../oci/digest.ts";
import { type Connection, pathOf, type RequestOptions, scopeOf } from "./connection.ts";
import { WRONG_DIGEST } from "./manifests.ts";
import { pullHint } from "./refusals.ts";

/**
 * "unknown": some registries do not support HEAD for blobs, or refer to a storage whose signed URLs are only for GET.
 */
export type Presence = "present" | "absent" | "unknown";

const PRESENCE: Readonly<Record<number, Presence>> = { 200: "present", 404: "absent", 405: "unknown", 501: "unknown" };

export async function headBlob(
  connection: Connection,
  digest: Digest,
  actions: "pull" | "push,pull",
  options: RequestOptions,
): Promise<Presence> {
  try {
    const { status } = await connection.client.send({
      ...options,
      method: "HEAD",
      target: pathOf(connection, `blobs/${digest}`),
      scopes: [scopeOf(connection.repository, actions)],
      expected: Object.keys(PRESENCE).map(Number),
    });
    return PRESENCE[status] ?? "unknown";
  } catch (error) {
    if (error instanceof RegistryFault && error.isElsewhere && !error.isTemporary && error.status !== undefined)
      return "unknown";
    throw error;
  }
}

export function memoryBlob(bytes: Uint8Array): GrowingBlob {
  return {
    available: bytes.length,
    done: Promise.resolve({ digest: digestOf(bytes), size: bytes.length }),
    reaches: async (position) => position < bytes.length,
    read: async function* (from) {
      if (from < bytes.length) yield bytes.subarray(from);
    },
  };
}

/**
 * A repository's blob as a source for an upload. Never yields more than its descriptor says, and throws if there is
 * less or more; the receiving registry verifies the digest when the upload is committed.
 */
export function remoteBlob(connection: Connection, descriptor: Descriptor, options: RequestOptions): GrowingBlob {
  const { digest, size } = descriptor;
  return {
    available: size,
    done: Promise.resolve({ digest, size }),
    reaches: async (position) => position < size,
    read: (from, signal) => readBlob(connection, descriptor, from, { ...options, signal }),
  };
}

async function* readBlob(
  connection: Connection,
  { digest, size }: Descriptor,
  from: number,
  options: RequestOptions,
): AsyncGenerator<Uint8Array> {
  if (from >= size && size > 0) return;
  const request = {
    ...options,
    method: "GET",
    target: pathOf(connection, `blobs/${digest}`),
    scopes: [scopeOf(connection.repository, "pull")],
    expected: from > 0 ? [200, 206] : [200],
    headers: from > 0 ? { range: `bytes=${from}-` } : {},
  } as const;
  const response = await connection.client.open(request).catch((error: unknown) => {
    throw pullFault(error, connection);
  });
  const wrongSize = (bytes: number | "more") =>
    new Fault(
      "EXPORT_REGISTRY_BLOB",
      `blob ${digest} of ${connection.repository.name}: expected ${size} bytes, got ${bytes}`,
      { destination: connection.repository.name },
    );
  // A server without range support sends everything.
  let position = response.status === 206 ? from : 0;
  const announced = headerOf(response, "content-length");
  const end = announced === undefined ? size : position + Number(announced);
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      // As in go-containerregistry (v0.21.9 pkg/v1/remote/fetcher.go, `fetchBlobURL`).
      if (end !== size) throw wrongSize(end);
      const skipped = Math.max(0, from - position);
      position += chunk.length;
      if (position > size) throw wrongSize("more");
      if (chunk.length > skipped) yield chunk.subarray(skipped);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw networkFault("GET", response, error);
  }
  if (position !== size) throw wrongSize(position);
}

export const RESTORE_HINT = "Restore the blob, or push the image that references it again.";

function pullFault(error: unknown, { repository }: Connection): unknown {
  if (!(error instanceof RegistryFault)) return error;
  if (error.code === NOT_FOUND) return error.withHint(RESTORE_HINT, repository.name);
  return error.code === DENIED && !error.isElsewhere ? error.withHint(pullHint(repository), repository.name) : error;
}

/**
 * Blames the source of a copied blob for a refusal of its bytes if they do not have its digest. The reference verifies
 * every copy; that costs the main thread 0.6 ms per MB, so here only refused ones are read again.
 * @throws Fault if the digest is wrong, in the reference's words; the signal's reason
 */
export async function verifyRefused(
  refusal: unknown,
  connection: Connection,
  descriptor: Descriptor,
  options: RequestOptions,
): Promise<void> {
  const isOfBytes = refusal instanceof RegistryFault && (refusal.status === 400 || refusal.code === WRONG_DIGEST);
  if (!isOfBytes) return;
  const { digest, size } = descriptor;
  const hash = createHash("sha256");
  try {
    for await (const chunk of readBlob(connection, descriptor, 0, options)) hash.update(chunk);
  } catch {
    options.signal?.throwIfAborted();
    return;
  }
  const got = hash.digest("hex");
  if (digest === `sha256:${got}`) return;
  const { name } = connection.repository;
  throw new Fault(
    WRONG_DIGEST,
    `blob ${digest} of ${name}: error verifying sha256 checksum after reading ${size} bytes; got "${got}", want "${withoutAlgorithm(digest)}"`,
    { destination: name, cause: refusal },
  );
}

const UNKNOWN = new Set(["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"]);

/** If the registry does not name them, `digests` are all of the manifest's blobs, and any of them may be missing. */
export interface MissingBlobs {
  readonly digests: readonly Digest[];
  readonly areNamed: boolean;
}

/**
 * The blobs whose absence made a registry refuse a manifest (distribution-spec v1.1.1, code-1). Registries name them
 * anywhere in the error; an error that names none means any blob of the manifest.
 * @returns undefined if the manifest was refused for another reason
 */
export function missingBlobs(
  error: unknown,
  { configDescriptor, layers }: Pick<BuiltImage, "configDescriptor" | "layers">,
): MissingBlobs | undefined {
  if (!(error instanceof RegistryFault)) return undefined;
  const unknown = error.diagnostics.filter(({ code }) => UNKNOWN.has(code));
  if (unknown.length === 0) return undefined;
  const words = unknown.map(({ message, detail }) => `${message} ${JSON.stringify(detail)}`).join(" ");
  const named = new Set((words.match(/sha256:[0-9a-f]{64}/g) ?? []).filter(isSha256));
  const blobs = [configDescriptor, ...layers].map(({ digest }) => digest);
  const found = blobs.filter((digest) => named.has(digest));
  return found.length === 0 ? { digests: blobs, areNamed: false } : { digests: found, areNamed: true };
}
