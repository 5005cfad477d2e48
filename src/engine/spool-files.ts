import { closeSpoolFile, openNamelessFile } from "./spool.ts";

/** Room for a blob in a spool file. */
export interface SpoolRoom {
  readonly fileDescriptor: number;
  /** Where the blob begins in the file, in bytes. */
  readonly offset: number;
  /** Closes the file, if no other blob has room in it. To be called once. */
  release(): Promise<void>;
}

interface SharedFile {
  readonly fileDescriptor: number;
  /** Of the room that was given away, in bytes. */
  end: number;
  blobs: number;
}

/**
 * Spool files of an export. A layer of both images keeps its blob until the cache has it, so that a build has as many blobs as
 * layers: each has a file of its own, whose space is free again when it is closed, while there are descriptors, and shares one
 * after that. Shared files are sparse: a blob gets room for the most bytes that it can have.
 */
export class SpoolFiles {
  readonly #directory: string;
  readonly #most: number;
  readonly #files = new Set<SharedFile>();
  /** One open at a time, so that no more are opened than there may be. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @param most files that may be open */
  constructor(directory: string, most: number) {
    this.#directory = directory;
    this.#most = most;
  }

  /** @param bytes that the blob can have at most */
  async open(bytes: number): Promise<SpoolRoom> {
    const opening = this.#turn.then(() => this.#choose());
    this.#turn = opening.catch(() => undefined);
    const file = await opening;
    const offset = file.end;
    file.end += bytes;
    return { fileDescriptor: file.fileDescriptor, offset, release: () => this.#release(file) };
  }

  async #choose(): Promise<SharedFile> {
    const file = this.#files.size < this.#most ? await this.#create() : this.#leastShared();
    file.blobs += 1;
    return file;
  }

  async #create(): Promise<SharedFile> {
    const file = { fileDescriptor: await openNamelessFile(this.#directory), end: 0, blobs: 0 };
    this.#files.add(file);
    return file;
  }

  #leastShared(): SharedFile {
    return [...this.#files].reduce((least, file) => (file.blobs < least.blobs ? file : least));
  }

  async #release(file: SharedFile): Promise<void> {
    file.blobs -= 1;
    if (file.blobs > 0) return;
    this.#files.delete(file);
    await closeSpoolFile(file.fileDescriptor);
  }
}
