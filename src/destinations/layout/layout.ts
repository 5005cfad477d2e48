import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { replaceDurably, syncDirectory } from "../../faults/durable-file.ts";
import { makeDirectories } from "../../faults/make-directories.ts";
import { pathFault } from "../../faults/system-error.ts";
import type { BuiltImage } from "../../images/built-image.ts";
import { putBytes } from "./blob.ts";
import { indexJson, OCI_LAYOUT_TEXT } from "./index-json.ts";
import { makeWorkDirectory, removeWorkDirectory, workPath } from "./work-directory.ts";

/** A layout could not be made at all. */
export const NOT_CREATED = "EXPORT_LAYOUT_CREATE";

/** What the umask leaves of it. */
const MODE = 0o777;

/**
 * A layout that an image is written to. `index.json` publishes the image: it is replaced last, atomically, after
 * everything it names is on disk. Whatever kills the process or the machine, the previous image stays valid until then
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
   * Makes its directories, and one for what is being made; {@link close} removes that one, and this those of processes
   * that were killed.
   * @returns that directory
   * @throws Fault with {@link NOT_CREATED}
   */
  create(): Promise<string> {
    this.#created ??= this.#create();
    return this.#created;
  }

  /**
   * Publishes an image whose layers are in the layout (docs/compatibility.md#layout-files).
   * @param refName tag or digest, the annotation in the index
   * @throws Fault
   */
  async putImage({ configBytes, manifestBytes, manifestDescriptor }: BuiltImage, refName: string): Promise<void> {
    await this.create();
    await putBytes(this.path, configBytes);
    await putBytes(this.path, manifestBytes);
    await this.#sync(join(this.path, "blobs", "sha256"), join(this.path, "blobs"));
    await this.#replace("oci-layout", OCI_LAYOUT_TEXT);
    await this.#replace("index.json", indexJson(manifestDescriptor, refName));
  }

  /** Removes what is left of blobs that were being made. Synchronous, so that it also works while the process is ending. */
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
    await replaceDurably(path, text, temporary, MODE).catch((error: unknown) => {
      throw pathFault("EXPORT_LAYOUT_WRITE", "open", path, error);
    });
  }
}
