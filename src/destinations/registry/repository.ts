import { SingleFlight } from "../../concurrency/single-flight.ts";
import type { GrowingBlob } from "../../engine/layer.ts";
import { NOT_FOUND, RegistryFault } from "../../http/faults.ts";
import { type Descriptor, isDistributable, type Platform } from "../../oci/descriptor.ts";
import type { Digest } from "../../oci/digest.ts";
import type { Reference } from "../../oci/reference.ts";
import {
  headBlob,
  type MissingBlobs,
  memoryBlob,
  type Presence,
  RESTORE_HINT,
  remoteBlob,
  verifyRefused,
} from "./blobs.ts";
import type { Connection, RequestOptions } from "./connection.ts";
import { findImage, isComplete, openImage, type RegistryImage } from "./images.ts";
import { deleteManifest, headManifest, type RawManifest } from "./manifests.ts";
import { formatWait, withRetries } from "./retries.ts";
import { lookUpTags, putTags, type TagLookups, type TagResult } from "./tags.ts";
import { READY_BYTES, Upload, type UploadOptions } from "./upload.ts";
import { checkPush } from "./upload-requests.ts";

/**
 * Milliseconds for a registry to find what it has just stored, as long as the reference's first pause between tries.
 */
const SETTLE_MS = 1000;

export interface PutOptions extends UploadOptions {
  readonly mountFrom?: RegistryRepository;
  readonly onJoin?: ((other: UploadOptions) => void) | undefined;
}

export interface PutBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly outcome: "uploaded" | "mounted" | "existing";
}

/**
 * One repository of a registry, shared by everything in an export that reads from it or pushes to it. Concurrent pushes
 * of a blob share one upload, which has the priority of the first.
 */
export class RegistryRepository {
  readonly #connection: Connection;
  readonly #uploads = new SingleFlight<GrowingBlob | Digest, PutBlob>();
  readonly #puts = new Map<GrowingBlob, PutOptions>();
  readonly #present = new Set<Digest>();
  readonly #sent = new Set<Digest>();
  readonly #missing = new Set<Digest>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get name(): string {
    return this.#connection.repository.name;
  }

  get registry(): string {
    return this.#connection.repository.registry;
  }

  openImage(reference: Reference, platform: Platform, options: RequestOptions): Promise<RegistryImage> {
    return openImage(this.#connection, reference, platform, options);
  }

  findImage(reference: Reference, platform: Platform, options: RequestOptions): Promise<RegistryImage | undefined> {
    return findImage(this.#connection, reference, platform, options);
  }

  checkPush(options: RequestOptions): Promise<void> {
    return checkPush(this.#connection, options);
  }

  isComplete(image: RegistryImage, options: RequestOptions): Promise<boolean> {
    return isComplete(this.#connection, image, options);
  }

  async hasManifest(reference: Reference, actions: "pull" | "push,pull", options: RequestOptions): Promise<boolean> {
    const head = () => headManifest(this.#connection, reference.identifier, actions, options);
    const { kind } = await withRetries(this.#connection, options, `manifest ${reference.identifier}`, head);
    return kind === "found";
  }

  async hasBlob(digest: Digest, options: RequestOptions): Promise<boolean> {
    return (await this.#presence(digest, options)) === "present";
  }

  /** Forgets which blobs the repository has: a registry may have collected those that no image references yet. */
  forgetBlobs(): void {
    this.#present.clear();
    this.#sent.clear();
  }

  /**
   * Prepares a second push after the registry refused a manifest for missing blobs; logs warnings. The next
   * {@link putBlob} pushes blobs again that the registry had only reported: those that the refusal names or, if it
   * names none, those that a HEAD no longer finds. Waits for any others, which may be on their way to its storage,
   * unless such a HEAD explains the refusal.
   * @returns the blobs to be pushed again
   * @throws the signal's reason
   */
  async markMissing({ digests, areNamed }: MissingBlobs, options: RequestOptions): Promise<readonly Digest[]> {
    const { logger, pushRetry } = this.#connection;
    const reported = digests.filter((digest) => !this.#sent.has(digest));
    for (const digest of reported) this.#present.delete(digest);
    // If a look fails, the next push shows why.
    const look = (digest: Digest) => this.#presence(digest, options).catch(() => "unknown");
    const presences = areNamed ? [] : await Promise.all(reported.map(look));
    options.signal?.throwIfAborted();
    const missing = reported.filter((_, i) => areNamed || presences[i] === "absent");
    for (const digest of missing) this.#missing.add(digest);
    if (missing.length > 0)
      logger.warn(`${this.name} reported blobs it does not have; uploading them again: ${missing.join(", ")}`);
    const isExplained = !areNamed && missing.length > 0;
    const others = isExplained ? [] : digests.filter((digest) => !missing.includes(digest));
    if (others.length === 0) return missing;
    const waitMs = Math.min(SETTLE_MS, pushRetry.budgetMs);
    const again = `pushing the manifest again in ${formatWait(waitMs)}`;
    logger.warn(`${this.name} does not find blobs that it accepted or reported; ${again}: ${others.join(", ")}`);
    await pushRetry.clock.wait(waitMs, options.signal);
    return missing;
  }

  /**
   * Makes sure that the repository has a blob. A growing blob is uploaded as it grows, once 4 MiB are ready; a complete
   * one only if it is absent and cannot be mounted.
   * @throws RegistryFault; the fault of the blob's producer; the signal's reason
   */
  putBlob(blob: GrowingBlob, options: PutOptions): Promise<PutBlob> {
    const put = async (signal: AbortSignal): Promise<PutBlob> => {
      const shared = { ...options, signal };
      this.#puts.set(blob, options);
      try {
        // Waits without occupying an upload slot.
        await blob.reaches(READY_BYTES - 1);
        const { isMonolithic, needsLength } = this.#connection.capabilities;
        const finished = await (isMonolithic || needsLength ? blob.done : Promise.race([blob.done, undefined]));
        if (finished !== undefined) return await this.#putComplete(blob, finished, shared);
        await new Upload(this.#connection, blob, shared).run(undefined);
        const { digest, size } = await blob.done;
        this.#found(digest, "uploaded");
        return { digest, size, outcome: "uploaded" };
      } finally {
        if (this.#puts.get(blob) === options) this.#puts.delete(blob);
      }
    };
    this.#puts.get(blob)?.onJoin?.(options);
    return this.#uploads.share(blob, put, options.signal);
  }

  putBytes(bytes: Uint8Array, options: PutOptions): Promise<PutBlob> {
    return this.putBlob(memoryBlob(bytes), options);
  }

  /**
   * Copies a layer of another repository: by a mount within a registry, otherwise by streaming its bytes. A layer of
   * this very repository is only checked.
   * @returns undefined for a layer that may not be distributed
   * @throws RegistryFault with the code {@link NOT_FOUND} if the blob is gone; a fault that names the other repository
   * if that delivers something else
   */
  async copyBlob(descriptor: Descriptor, from: RegistryRepository, options: PutOptions): Promise<PutBlob | undefined> {
    if (!isDistributable(descriptor.mediaType)) return undefined;
    if (from.name === this.name) return await this.#keepBlob(descriptor, options);
    const blob = remoteBlob(from.#connection, descriptor, options);
    try {
      return await this.#putComplete(blob, descriptor, { ...options, mountFrom: from });
    } catch (error) {
      options.signal?.throwIfAborted();
      await verifyRefused(error, from.#connection, descriptor, options);
      throw error;
    }
  }

  putTags(
    references: readonly Reference[],
    manifest: RawManifest,
    options: RequestOptions,
    lookups?: TagLookups,
  ): Promise<TagResult[]> {
    return putTags(this.#connection, references, manifest, options, lookups);
  }

  lookUpTags(references: readonly Reference[], options: RequestOptions): TagLookups {
    return lookUpTags(this.#connection, references, options);
  }

  /** Call only for manifests that this export pushed (docs/compatibility.md#no-delete-of-unpushed-images). */
  deleteManifest(digest: Digest, options: RequestOptions): Promise<void> {
    return withRetries(this.#connection, options, `manifest ${digest}`, () =>
      deleteManifest(this.#connection, digest, options),
    );
  }

  async #presence(digest: Digest, options: RequestOptions): Promise<Presence> {
    if (this.#present.has(digest)) return "present";
    if (this.#missing.has(digest)) return "absent";
    const head = () => headBlob(this.#connection, digest, "push,pull", options);
    const presence = await withRetries(this.#connection, options, `blob ${digest}`, head);
    if (presence === "present") this.#present.add(digest);
    return presence;
  }

  async #keepBlob({ digest, size }: Descriptor, options: PutOptions): Promise<PutBlob> {
    const presence = await this.#presence(digest, options);
    if (presence === "absent")
      throw new RegistryFault(NOT_FOUND, `blob ${digest} is not in ${this.name}`, {
        isTemporary: false,
        destination: this.name,
        hint: RESTORE_HINT,
      });
    this.#connection.counters.existing += 1;
    options.onBytes?.(size);
    return { digest, size, outcome: "existing" };
  }

  #found(digest: Digest, outcome: PutBlob["outcome"]): void {
    this.#present.add(digest);
    if (outcome === "uploaded") this.#sent.add(digest);
    this.#missing.delete(digest);
  }

  #putComplete(
    blob: GrowingBlob,
    { digest, size }: { readonly digest: Digest; readonly size: number },
    options: PutOptions,
  ): Promise<PutBlob> {
    const put = async (signal: AbortSignal): Promise<PutBlob> => {
      const shared = { ...options, signal };
      const outcome = await this.#settle(blob, digest, shared);
      this.#found(digest, outcome);
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
    const { mountFrom } = options;
    // A registry may even mount a blob that it reported and does not have.
    const isMountable = mountFrom?.registry === this.registry && !this.#missing.has(digest);
    const mount = isMountable ? { digest, from: mountFrom.#connection.repository } : undefined;
    return new Upload(this.#connection, blob, options).run(mount);
  }
}
