import { retrying } from "../../concurrency/retry.ts";
import { Fault, withContext } from "../../errors/fault.ts";
import { DENIED, NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import {
  type Descriptor,
  DOCKER_MANIFEST,
  isDistributable,
  OCI_MANIFEST,
  type Platform,
} from "../../oci/descriptor.ts";
import { digestOf, isSha256 } from "../../oci/digest.ts";
import {
  type ImageManifest,
  isIndex,
  MAX_CONFIG_BYTES,
  parseIndex,
  parseManifest,
  selectManifest,
} from "../../oci/manifest.ts";
import type { Reference } from "../../oci/reference.ts";
import { headBlob, RESTORE_HINT } from "./blobs.ts";
import { type Connection, pathOf, type RequestOptions, scopeOf } from "./connection.ts";
import { getManifest, type RawManifest } from "./manifests.ts";
import { pullHint } from "./refusals.ts";
import { formatWait, OPEN_TRIES, retryHooks, withRetries } from "./retries.ts";

export interface RegistryImage {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly configBytes: Buffer;
}

export const NO_PLATFORM = "EXPORT_REGISTRY_NO_PLATFORM";

/**
 * Opens an image: its manifest, selected from an index by platform, and its config, both verified
 * (docs/compatibility.md#run-image).
 * @param mayBeMissing accept a definite "not found" without retrying
 * @throws Fault `connect to repo store "<reference>": ...`: at once if access is denied, after the reference's attempts
 * if the image is missing (docs/compatibility.md#missing-run-image), otherwise when the retry budget ends
 */
export async function openImage(
  connection: Connection,
  reference: Reference,
  platform: Platform,
  options: RequestOptions,
  mayBeMissing = false,
): Promise<RegistryImage> {
  const { openRetry, logger } = connection;
  const context = `connect to repo store "${reference}"`;
  let retries = 0;
  try {
    const image = await retrying(openRetry(mayBeMissing), () => readImage(connection, reference, platform, options), {
      ...retryHooks(connection, options),
      onRetry: (error, { count }, waitMs) => {
        retries = count;
        connection.onRetry?.(error, waitMs);
        const { message } = withContext(context, error);
        const attempt = `attempt ${count}${count < OPEN_TRIES ? `/${OPEN_TRIES}` : ""}`;
        logger.warn(`Failed to open remote image (${attempt}): ${message}, retrying in ${formatWait(waitMs)}`);
      },
    });
    if (retries > 0) logger.info(`Successfully opened remote image after ${retries} retries`);
    return image;
  } catch (error) {
    options.signal?.throwIfAborted();
    // The reference reads this variable before it opens the image.
    if (error instanceof Fault && error.code === "EXPORT_AUTH_ENVIRONMENT") throw error;
    throw withPullHint(withContext(context, error), reference);
  }
}

/** @throws Fault with the code {@link NO_PLATFORM} for an index without the platform */
export async function findImage(
  connection: Connection,
  reference: Reference,
  platform: Platform,
  options: RequestOptions,
): Promise<RegistryImage | undefined> {
  try {
    return await openImage(connection, reference, platform, options, true);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === NOT_FOUND || isStructured401(error.cause)) return undefined;
    throw error;
  }
}

export async function isComplete(
  connection: Connection,
  image: RegistryImage,
  options: RequestOptions,
): Promise<boolean> {
  const layers = image.manifest.layers.filter(({ mediaType }) => isDistributable(mediaType));
  const digests = new Set(layers.map(({ digest }) => digest));
  const found = await Promise.all(
    [...digests].map((digest) =>
      withRetries(connection, options, `blob ${digest}`, () => headBlob(connection, digest, "pull", options)),
    ),
  );
  return !found.includes("absent");
}

async function readImage(connection: Connection, reference: Reference, platform: Platform, options: RequestOptions) {
  let found = await withMissingHint(
    nameHint(reference, platform),
    getManifest(connection, reference.identifier, options),
  );
  // The first matching entry wins, as in go-containerregistry (pkg/v1/remote/index.go, childByPlatform).
  while (isIndex(found.mediaType, found.bytes)) {
    const child = selectManifest(parseIndex(found.bytes), platform);
    if (child === undefined)
      throw new Fault(
        NO_PLATFORM,
        `no child with platform ${platform.os}/${platform.architecture} in index ${reference}`,
      );
    const childHint = `Push the image again: its index lists ${child.digest}, which is gone from ${reference.repository.name}.`;
    const manifest = await withMissingHint(childHint, getManifest(connection, child.digest, options));
    found = { ...manifest, mediaType: child.mediaType };
  }
  return readImageOf(connection, found, options);
}

async function readImageOf(
  connection: Connection,
  found: RawManifest,
  options: RequestOptions,
): Promise<RegistryImage> {
  const manifest = parseManifest(found.bytes);
  const mediaType = manifest.mediaType || (found.mediaType === DOCKER_MANIFEST ? DOCKER_MANIFEST : OCI_MANIFEST);
  return {
    reference: connection.repository.withDigest(found.digest),
    descriptor: { mediaType, size: found.bytes.length, digest: found.digest },
    manifest,
    configBytes: await withMissingHint(RESTORE_HINT, readConfig(connection, manifest.config, options)),
  };
}

/**
 * What to do if there is no such manifest. A digest may be that of an empty image, which the analyzer records for a run
 * image whose index lacks the platform.
 */
function nameHint(reference: Reference, { os, architecture }: Platform): string {
  const missing = `there is no image "${reference}" in ${reference.registry}.`;
  if (!isSha256(reference.identifier)) return `Check the name: ${missing}`;
  return `Check the name, and that the image has an entry for ${os}/${architecture}: ${missing}`;
}

async function readConfig(
  connection: Connection,
  { digest, size, data }: Descriptor,
  options: RequestOptions,
): Promise<Buffer> {
  const bytes =
    data === undefined
      ? await connection.client
          .read(
            {
              ...options,
              method: "GET",
              target: pathOf(connection, `blobs/${digest}`),
              scopes: [scopeOf(connection.repository, "pull")],
              expected: [200],
            },
            MAX_CONFIG_BYTES,
          )
          .then((response) => response.bytes)
      : Buffer.from(data, "base64");
  if (bytes.length === size && digestOf(bytes) === digest) return bytes;
  throw new Fault(
    "EXPORT_REGISTRY_DIGEST",
    `config ${digest} of ${connection.repository.name}: got ${bytes.length} bytes with digest ${digestOf(bytes)}, expected ${size} bytes`,
    { destination: connection.repository.name },
  );
}

function isStructured401(error: unknown): boolean {
  return error instanceof RegistryFault && error.status === 401 && error.diagnostics.length > 0;
}

function withMissingHint<T>(hint: string, reading: Promise<T>): Promise<T> {
  return reading.catch((error: unknown) => {
    throw error instanceof RegistryFault && error.code === NOT_FOUND ? error.withHint(hint) : error;
  });
}

function withPullHint(fault: Fault, reference: Reference): Fault {
  const ownHint = fault.code === NOT_FOUND ? fault.ownHint : undefined;
  const isElsewhere = fault instanceof RegistryFault && fault.isElsewhere;
  const hint = fault.code === DENIED && !isElsewhere ? pullHint(reference.repository) : ownHint;
  if (hint === undefined) return fault;
  if (fault instanceof RegistryFault) return fault.withHint(hint, reference.name);
  return new Fault(fault.code, fault.message, { cause: fault.cause, hint, destination: reference.name });
}
