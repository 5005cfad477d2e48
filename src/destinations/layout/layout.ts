import { mkdtempSync, rmSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectories } from "../../faults/make-directories.ts";
import { pathFault } from "../../faults/system-error.ts";
import type { BuiltImage } from "../../images/built-image.ts";
import { putBytes } from "./blob.ts";
import { indexJson, OCI_LAYOUT_TEXT } from "./index-json.ts";

/** A layout could not be made at all. */
export const NOT_CREATED = "EXPORT_LAYOUT_CREATE";

/** What the umask leaves of it. */
const MODE = 0o777;

/**
 * A layout that an image is written to. It is the image's only when `index.json` says so, which comes last, at once and
 * complete; until then what was there before is still valid. Blobs of earlier images stay (contract 11.3).
 */
export class Layout {
  readonly path: string;
  #created: Promise<void> | undefined;
  #workDirectory: Promise<string> | undefined;
  #workPath: string | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Makes its directories. @throws Fault with {@link NOT_CREATED} */
  create(): Promise<void> {
    this.#created ??= makeDirectories(join(this.path, "blobs", "sha256"), NOT_CREATED);
    return this.#created;
  }

  /** A directory in the layout for blobs that are being made; {@link close} removes it. @throws Fault */
  workDirectory(): Promise<string> {
    this.#workDirectory ??= this.create().then(() => {
      this.#workPath = mkdtempSync(join(this.path, ".making-"));
      return this.#workPath;
    });
    return this.#workDirectory;
  }

  /**
   * Makes an image whose layers are there this layout's image (contract 11.3).
   * @param refName tag or digest, the annotation in the index
   * @throws Fault
   */
  async putImage({ configBytes, manifestBytes, manifestDescriptor }: BuiltImage, refName: string): Promise<void> {
    await this.create();
    await putBytes(this.path, configBytes);
    await putBytes(this.path, manifestBytes);
    await this.#replace("oci-layout", OCI_LAYOUT_TEXT);
    await this.#replace("index.json", indexJson(manifestDescriptor, refName));
  }

  /** Removes what is left of blobs that were being made. Synchronous, so that it also works while the process is ending. */
  close(): void {
    if (this.#workPath !== undefined) rmSync(this.#workPath, { recursive: true, force: true });
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    const temporary = `${path}.${process.pid}`;
    try {
      await writeFile(temporary, text, { mode: MODE });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw pathFault("EXPORT_LAYOUT_WRITE", "open", path, error);
    }
  }
}
