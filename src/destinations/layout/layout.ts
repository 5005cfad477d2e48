import { randomUUID } from "node:crypto";
import { join, posix } from "node:path";
import { makeDirectories } from "../../files/directories.ts";
import { replaceDurably, syncDirectory } from "../../files/durable-file.ts";
import { pathFault } from "../../go/errno.ts";
import type { BuiltImage } from "../../images/image.ts";
import { type Descriptor, OCI_INDEX } from "../../oci/descriptor.ts";
import type { Reference } from "../../oci/reference.ts";
import { putBytes, writeFault } from "./blobs.ts";
import { makeWorkDirectory, removeWorkDirectory, workPath } from "./work-directory.ts";

/**
 * The path of an image's layout: `<layout-dir>/<registry>/<repository>/<tag>`, or `.../sha256/<hex>` for a digest
 * (docs/compatibility.md#layout-paths).
 * @param layoutDir may be empty; the path is then relative to the working directory
 */
export function layoutPath(layoutDir: string, { repository, identifier }: Reference): string {
  return posix.join(layoutDir, repository.registry, repository.path, ...identifier.split(":"));
}

export const REF_NAME = "org.opencontainers.image.ref.name";

export const OCI_LAYOUT_TEXT = `{
    "imageLayoutVersion": "1.0.0"
}`;

/**
 * `index.json` of a layout with one image; like {@link OCI_LAYOUT_TEXT} byte-identical to the reference's
 * (docs/compatibility.md#layout-files).
 * @param refName tag or digest
 */
export function indexJson({ mediaType, size, digest }: Descriptor, refName: string): string {
  const manifest = { mediaType, size, digest, annotations: { [REF_NAME]: refName } };
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [manifest] }, null, 3);
}

const NOT_CREATED = "EXPORT_LAYOUT_CREATE";

const MODE = 0o777;

/**
 * A layout that an image is written to. Replacing `index.json`, atomically, publishes the image after everything it
 * references is on disk: until then the previous image stays valid, even if the process or the machine dies
 * (docs/compatibility.md#atomic-layouts). Blobs of earlier images stay (docs/compatibility.md#layout-files).
 */
export class Layout {
  readonly path: string;
  #created: Promise<string> | undefined;
  #isOpen = false;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Creates the layout's directories and a work directory, which {@link close} removes, and removes work directories of
   * killed processes.
   * @returns the work directory
   * @throws Fault with {@link NOT_CREATED}
   */
  create(): Promise<string> {
    this.#created ??= this.#create();
    return this.#created;
  }

  async putImage({ configBytes, manifestBytes, manifestDescriptor }: BuiltImage, refName: string): Promise<void> {
    await this.create();
    await putBytes(this.path, configBytes);
    await putBytes(this.path, manifestBytes);
    await this.#sync(join(this.path, "blobs", "sha256"), join(this.path, "blobs"));
    await this.#replace("oci-layout", OCI_LAYOUT_TEXT);
    await this.#replace("index.json", indexJson(manifestDescriptor, refName));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    removeWorkDirectory(this.path);
  }

  async #create(): Promise<string> {
    await makeDirectories(join(this.path, "blobs", "sha256"), NOT_CREATED);
    makeWorkDirectory(this.path, NOT_CREATED);
    this.#isOpen = true;
    return workPath(this.path);
  }

  async #sync(...directories: readonly string[]): Promise<void> {
    for (const directory of directories) {
      await syncDirectory(directory).catch((error: unknown) => {
        throw pathFault("EXPORT_LAYOUT_WRITE", "fsync", directory, error);
      });
    }
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    const temporary = join(workPath(this.path), randomUUID());
    await replaceDurably(path, text, temporary, { mode: MODE }).catch((error: unknown) => {
      throw writeFault("open", path, error);
    });
  }
}
