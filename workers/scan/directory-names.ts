import { opendirSync, readdirSync } from "node:fs";
import { type ByteString, fromByteString, fsPath } from "../../src/go/byte-string.ts";
import { pathFault } from "../../src/go/errno.ts";
import { waitForDescriptor } from "../blocks/file-contents.ts";

export interface DirectoryNames {
  readonly next: ByteString | undefined;
  take(): ByteString | undefined;
}

/**
 * Names are read in runs if the directory itself has at least this many bytes. File systems count 20 to 40 bytes per
 * name; on those that count none, reading all at once only costs memory.
 */
const LARGE_DIRECTORY = 1 << 18;

const RUN_NAMES = 1 << 15;

const READ_NAMES = 1024;

/**
 * Reads a directory's names without holding all of them as strings: a million would take 130 MB.
 * @param size of the directory itself, in bytes
 * @throws Fault `open <path>: ...`, also with more than `maxNames` names
 */
export function readNames(path: ByteString, size: number, maxNames = Number.POSITIVE_INFINITY): DirectoryNames {
  try {
    if (Number.isFinite(maxNames)) ensureFew(path, maxNames);
    return waitForDescriptor(() => (size < LARGE_DIRECTORY ? new SortedNames(path) : new MergedNames(path)));
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "open", fromByteString(path), error);
  }
}

function ensureFew(path: ByteString, maxNames: number): void {
  using directory = opendirSync(fsPath(path), { encoding: "latin1", bufferSize: maxNames + 1 });
  for (let count = 0; directory.readSync() !== null; count++) if (count === maxNames) throw tooMany(maxNames);
}

export function tooMany(maxNames: number): Error {
  return new RangeError(`more than ${maxNames} entries`);
}

class SortedNames implements DirectoryNames {
  readonly #reversed: ByteString[];

  constructor(path: ByteString) {
    this.#reversed = readdirSync(fsPath(path), { encoding: "latin1" }).sort().reverse();
  }

  get next(): ByteString | undefined {
    return this.#reversed.at(-1);
  }

  take(): ByteString | undefined {
    return this.#reversed.pop();
  }
}

class MergedNames implements DirectoryNames {
  readonly #runs: PackedNames[] = [];

  constructor(path: ByteString) {
    using directory = opendirSync(fsPath(path), { encoding: "latin1", bufferSize: READ_NAMES });
    let names: ByteString[] = [];
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      names.push(entry.name);
      if (names.length < RUN_NAMES) continue;
      this.#runs.push(new PackedNames(names));
      names = [];
    }
    this.#runs.push(new PackedNames(names));
  }

  get next(): ByteString | undefined {
    return this.#first()?.next;
  }

  take(): ByteString | undefined {
    return this.#first()?.take();
  }

  #first(): PackedNames | undefined {
    let first: PackedNames | undefined;
    for (const run of this.#runs) if (isBefore(run.next, first?.next)) first = run;
    return first;
  }
}

function isBefore(name: ByteString | undefined, other: ByteString | undefined): boolean {
  return name !== undefined && (other === undefined || name < other);
}

class PackedNames implements DirectoryNames {
  readonly #bytes: Buffer;
  #end = 0;
  next: ByteString | undefined;

  constructor(names: ByteString[]) {
    this.#bytes = Buffer.from(names.length === 0 ? "" : `${names.sort().join("\0")}\0`, "latin1");
    this.next = this.#read();
  }

  take(): ByteString | undefined {
    const name = this.next;
    this.next = this.#read();
    return name;
  }

  #read(): ByteString | undefined {
    if (this.#end === this.#bytes.length) return undefined;
    const start = this.#end;
    this.#end = this.#bytes.indexOf(0, start) + 1;
    return this.#bytes.toString("latin1", start, this.#end - 1);
  }
}
