import { Fault } from "../../errors/fault.ts";
import { RegistryFault } from "../../http/faults.ts";
import { headerOf } from "../../http/http.ts";
import type { BuiltImage } from "../../images/image.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  DOCKER_MANIFEST_V1,
  DOCKER_MANIFEST_V1_SIGNED,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../oci/descriptor.ts";
import { type Digest, digestOf, isSha256 } from "../../oci/digest.ts";
import { MAX_MANIFEST_BYTES } from "../../oci/manifest.ts";
import type { RegistryResponse } from "./client.ts";
import { type Connection, pathOf, type RequestOptions, scopeOf } from "./connection.ts";

export const WRONG_DIGEST = "EXPORT_REGISTRY_DIGEST";

/**
 * Compares the digest that a registry reports (distribution-spec v1.1.1, "Pulling manifests") with the digest of what
 * was sent. Many registries report none, or use other algorithms. On a mismatch a HEAD of our digest decides, because
 * some proxies and registries report a wrong digest for a manifest stored correctly.
 * @param isThere queries our digest
 * @throws RegistryFault
 */
export async function checkStored(
  response: RegistryResponse,
  digest: Digest,
  isThere: () => Promise<boolean>,
): Promise<void> {
  const stored = headerOf(response, "docker-content-digest") ?? "";
  if (!isSha256(stored) || stored === digest || (await isThere())) return;
  const message = `PUT ${response.url.origin}${response.url.pathname}: the registry stored ${stored} instead of ${digest}`;
  throw new RegistryFault(WRONG_DIGEST, message, {
    status: response.status,
    isTemporary: false,
    destination: response.url.host,
    hint: "The data was altered on its way: look for a proxy that changes requests, or for a damaged disk.",
  });
}

/** In the reference's order (docs/compatibility.md#pushing-images). */
const ACCEPT = [
  DOCKER_MANIFEST_V1,
  DOCKER_MANIFEST_V1_SIGNED,
  DOCKER_MANIFEST,
  OCI_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
].join(",");

/** A manifest or an index as it is sent. */
export interface RawManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export function rawManifest({ manifestDescriptor, manifestBytes }: BuiltImage): RawManifest {
  const { digest, mediaType } = manifestDescriptor;
  return { digest, mediaType, bytes: manifestBytes };
}

/**
 * "unknown": the manifest is missing, or the registry does not say (403; 405 and 501 if it does not support HEAD). A
 * registry may leave out the digest of a manifest that it has.
 */
export type ManifestLookup =
  | { readonly kind: "found"; readonly digest: Digest | undefined }
  | { readonly kind: "unknown" };

/** One HEAD of a tag or digest (docs/compatibility.md#pushing-images). */
export async function headManifest(
  connection: Connection,
  identifier: string,
  actions: "pull" | "push,pull",
  options: RequestOptions,
): Promise<ManifestLookup> {
  const response = await connection.client.send({
    ...options,
    method: "HEAD",
    target: pathOf(connection, `manifests/${identifier}`),
    scopes: [scopeOf(connection.repository, actions)],
    expected: [200, 403, 404, 405, 501],
    headers: { accept: ACCEPT },
  });
  if (response.status !== 200) return { kind: "unknown" };
  const digest = headerOf(response, "docker-content-digest") ?? "";
  return { kind: "found", digest: isSha256(digest) ? digest : undefined };
}

export async function getManifest(
  connection: Connection,
  identifier: string,
  options: RequestOptions,
): Promise<RawManifest> {
  const { bytes, headers } = await connection.client.read(
    {
      ...options,
      method: "GET",
      target: pathOf(connection, `manifests/${identifier}`),
      scopes: [scopeOf(connection.repository, "pull")],
      expected: [200],
      headers: { accept: ACCEPT },
    },
    MAX_MANIFEST_BYTES,
  );
  const mediaType = (headerOf({ headers }, "content-type") ?? "").split(";", 1)[0]?.trim() ?? "";
  // Refused before its digest is compared, which is that of the manifest without its signatures.
  if (mediaType === DOCKER_MANIFEST_V1 || mediaType === DOCKER_MANIFEST_V1_SIGNED)
    throw new Fault(
      "EXPORT_IMAGE_MANIFEST",
      `unsupported MediaType: "${mediaType}", see https://github.com/google/go-containerregistry/issues/377`,
    );
  const digest = digestOf(bytes);
  if (isSha256(identifier) && digest !== identifier)
    throw new Fault(
      WRONG_DIGEST,
      `manifest digest: "${digest}" does not match requested digest: "${identifier}" for "${connection.repository.name}@${identifier}"`,
      { destination: connection.repository.name },
    );
  return { digest, mediaType, bytes };
}

export async function putManifest(
  connection: Connection,
  identifier: string,
  manifest: RawManifest,
  options: RequestOptions,
): Promise<void> {
  const response = await connection.client.send({
    ...options,
    method: "PUT",
    target: pathOf(connection, `manifests/${identifier}`),
    scopes: [scopeOf(connection.repository, "push,pull")],
    expected: [200, 201, 202],
    headers: { "content-type": manifest.mediaType },
    body: manifest.bytes,
  });
  const { digest } = manifest;
  await checkStored(
    response,
    digest,
    async () => (await headManifest(connection, digest, "push,pull", options)).kind === "found",
  );
}

export async function deleteManifest(connection: Connection, digest: Digest, options: RequestOptions): Promise<void> {
  await connection.client.send({
    ...options,
    method: "DELETE",
    target: pathOf(connection, `manifests/${digest}`),
    scopes: [scopeOf(connection.repository, "push,pull,delete")],
    expected: [200, 202],
  });
}
