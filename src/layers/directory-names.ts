import { opendirSync, readdirSync } from "node:fs";
import { pathFault } from "../faults/system-error.ts";
import { type ByteString, fromByteString, fsPath } from "../oci/byte-string.ts";
import { waitForDescriptor } from "./wait-for-descriptor.ts";

/** Names in byte order, taken one by one. */
export interface DirectoryNames {
  /** The one that {@link take} is going to return; undefined at the end. */
  readonly next: ByteString | undefined;
  take(): ByteString | undefined;
}

/**
 * A directory's own size in bytes from which its names are read in runs. File systems count some 20 to 40 bytes for a name;
 * where they count nothing, reading all at once only costs more memory.
 */
const LARGE_DIRECTORY = 1 << 18;

/** Names of a run: as strings they take 3 MB until they are packed. A million names make 31 runs. */
const RUN_NAMES = 1 << 15;

/** Names that are read at a time. */
const READ_NAMES = 1024;

/**
 * Reads the names in a directory. As strings a million of them would take 130 MB while they are read.
 * @param size of the directory itself in bytes
 * @throws Fault `open <path>: ...`
 */
export function readNames(path: ByteString, size: number): DirectoryNames {
  try {
    return waitForDescriptor(() => (size < LARGE_DIRECTORY ? new FewNames(path) : new ManyNames(path)));
  } catch (error) {
    throw pathFault("EXPORT_LAYER_READ", "open", fromByteString(path), error);
  }
}

class FewNames implements DirectoryNames {
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

/** Runs that are sorted each, merged while they are taken. */
class ManyNames implements DirectoryNames {
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

/** A run as bytes: each name and a NUL, which no name has. */
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
