import { SingleFlight } from "../../flow/single-flight.ts";
import type { GrowingBlob } from "../../layers/layer.ts";
import type { Descriptor, Platform } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import { isDistributable } from "../../oci/media-types.ts";
import type { Reference } from "../../oci/reference.ts";
import { NOT_FOUND, RegistryFault } from "../../transport/registry-fault.ts";
import { headBlob } from "./blob.ts";
import { type Connection, persist, type Work } from "./connection.ts";
import { findImage, isComplete, openImage, type RemoteImage } from "./image.ts";
import { deleteManifest, headManifest } from "./manifest.ts";
import { memoryBlob } from "./memory-blob.ts";
import { remoteBlob } from "./remote-blob.ts";
import { putTags, type TagResult } from "./tag.ts";
import { READY_BYTES, Upload, type UploadOptions } from "./upload.ts";

export interface PutOptions extends UploadOptions {
  /** Repositories that may have the blob; those of this registry are asked for a mount, the first one only. */
  readonly mountFrom?: readonly RegistryRepository[];
}

export interface PutBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly outcome: "uploaded" | "mounted" | "existing";
}

/**
 * One repository of a registry, shared by everything in an export that reads from it or pushes to it. Two pieces of work
 * that need the same blob here share one upload, which runs with the priority of the first.
 */
export class RegistryRepository {
  readonly #connection: Connection;
  readonly #uploads = new SingleFlight<GrowingBlob | Digest, PutBlob>();
  /** Blobs that are known to be here. */
  readonly #present = new Set<Digest>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get name(): string {
    return this.#connection.repository.name;
  }

  /** The registry's host and port. */
  get registry(): string {
    return this.#connection.repository.registry;
  }

  /** See {@link openImage}. */
  openImage(reference: Reference, platform: Platform, work: Work): Promise<RemoteImage> {
    return openImage(this.#connection, reference, platform, work);
  }

  /** See {@link findImage}. */
  findImage(reference: Reference, platform: Platform, work: Work): Promise<RemoteImage | undefined> {
    return findImage(this.#connection, reference, platform, work);
  }

  /** True when every blob of the image is there. */
  isComplete(image: RemoteImage, work: Work): Promise<boolean> {
    return isComplete(this.#connection, image, work);
  }

  /** True when there is a manifest under the tag or digest. */
  async hasManifest(reference: Reference, work: Work): Promise<boolean> {
    const head = () => headManifest(this.#connection, reference.identifier, "pull", work);
    return (await persist(this.#connection, work, head)) !== undefined;
  }

  async hasBlob(digest: Digest, work: Work): Promise<boolean> {
    if (this.#present.has(digest)) return true;
    const head = () => headBlob(this.#connection, digest, "push,pull", work);
    const isHere = await persist(this.#connection, work, head);
    if (isHere) this.#present.add(digest);
    return isHere;
  }

  /**
   * Makes sure that a blob is here. One that is still being made is uploaded as it grows, as soon as 4 MiB of it are ready;
   * one that is complete only when it is not here and cannot be mounted.
   * @throws RegistryFault; the fault of the blob's maker; the signal's reason
   */
  putBlob(blob: GrowingBlob, options: PutOptions): Promise<PutBlob> {
    return this.#uploads.share(blob, (signal) => this.#put(blob, { ...options, signal }), options.signal);
  }

  /** The same for a config. */
  putBytes(bytes: Uint8Array, options: PutOptions): Promise<PutBlob> {
    return this.putBlob(memoryBlob(bytes), options);
  }

  /**
   * Makes sure that a layer of an image of another repository is here: by a mount within a registry, else by passing its
   * bytes on. One of this very repository is looked for. Undefined for a layer that may not be distributed, which stays
   * where it is.
   * @throws RegistryFault with the code {@link NOT_FOUND} when the blob is gone
   */
  async copyBlob(descriptor: Descriptor, from: RegistryRepository, options: PutOptions): Promise<PutBlob | undefined> {
    if (!isDistributable(descriptor.mediaType)) return undefined;
    if (from.name === this.name && !(await this.hasBlob(descriptor.digest, options)))
      throw new RegistryFault(NOT_FOUND, `blob ${descriptor.digest} is not in ${this.name}`, {
        isTemporary: false,
        destination: this.name,
      });
    const blob = remoteBlob(from.#connection, descriptor, options);
    return this.#putComplete(blob, descriptor, { ...options, mountFrom: [from] });
  }

  /** See {@link putTags}. */
  putTags(
    references: readonly Reference[],
    manifest: { readonly digest: Digest; readonly bytes: Buffer; readonly mediaType: string },
    work: Work,
  ): Promise<TagResult[]> {
    return putTags(this.#connection, references, manifest, work);
  }

  /** Deletes a manifest by its digest; one that was never pushed must not be asked for (D17). @throws RegistryFault */
  deleteManifest(digest: Digest, work: Work): Promise<void> {
    return persist(this.#connection, work, () => deleteManifest(this.#connection, digest, work));
  }

  async #put(blob: GrowingBlob, options: PutOptions): Promise<PutBlob> {
    // Waits without holding a place at the registry.
    await blob.reaches(READY_BYTES - 1);
    const finished = await Promise.race([blob.done, undefined]);
    if (finished !== undefined) return this.#putComplete(blob, finished, options);
    await new Upload(this.#connection, blob, options).run(undefined);
    const { digest, size } = await blob.done;
    this.#present.add(digest);
    return { digest, size, outcome: "uploaded" };
  }

  #putComplete(
    blob: GrowingBlob,
    { digest, size }: { readonly digest: Digest; readonly size: number },
    options: PutOptions,
  ): Promise<PutBlob> {
    const put = async (signal: AbortSignal): Promise<PutBlob> => {
      const work = { ...options, signal };
      const outcome = await this.#settle(blob, digest, work);
      this.#present.add(digest);
      options.onBytes?.(size);
      return { digest, size, outcome };
    };
    return this.#uploads.share(digest, put, options.signal);
  }

  async #settle(blob: GrowingBlob, digest: Digest, options: PutOptions): Promise<PutBlob["outcome"]> {
    if (await this.hasBlob(digest, options)) {
      this.#connection.counters.existing += 1;
      return "existing";
    }
    const source = options.mountFrom?.find((other) => this.#canMountFrom(other));
    const mount = source === undefined ? undefined : { digest, from: source.#connection.repository };
    return new Upload(this.#connection, blob, options).run(mount);
  }

  #canMountFrom(other: RegistryRepository): boolean {
    const { client, repository } = this.#connection;
    return other.#connection.client.registry === client.registry && other.name !== repository.name;
  }
}
