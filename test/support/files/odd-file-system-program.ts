import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, read, writeSync } from "node:fs";
import { constants } from "node:os";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { isSystemError } from "../../../src/go/errno.ts";
import type { OddFile } from "./odd-file-system.ts";

/*
 * The program behind `mountOddFileSystem`: mounts a FUSE file system at the path that is its argument, with the files
 * of the first line of its input, as JSON, and serves it until the input ends. It speaks the kernel's protocol
 * (linux/fuse.h).
 */

/** Operations (enum fuse_opcode). */
const LOOKUP = 1;
const FORGET = 2;
const GETATTR = 3;
const OPEN = 14;
const READ = 15;
const RELEASE = 18;
const FLUSH = 25;
const INIT = 26;
const OPENDIR = 27;
const READDIR = 28;
const RELEASEDIR = 29;
const BATCH_FORGET = 42;

const readDevice = promisify(read);

const HEADER_SIZE = 40;
const ANSWER_HEADER_SIZE = 16;

/** The largest request: a header and the bytes of a write. */
const BUFFER_SIZE = 1 << 18;

const MODE = { directory: 0o40755, file: 0o100644 };
const MTIME_S = 1_600_000_000n;

interface Node {
  readonly id: bigint;
  readonly children?: Map<string, Node>;
  readonly file?: OddFile;
}

class OddFileSystem {
  readonly #nodes: Node[] = [];
  #inode = 1n;

  constructor(files: Readonly<Record<string, OddFile>>) {
    const root = this.#add({ children: new Map() });
    for (const [path, file] of Object.entries(files)) {
      const names = path.split("/");
      const name = names.pop() as string;
      const directory = names.reduce((parent, part) => this.#childOf(parent, part), root);
      directory.children?.set(name, this.#add({ file }));
    }
  }

  /** Answers requests until the file system is unmounted, or fails to mount. */
  async serve(device: number, isMounted: Promise<boolean>): Promise<void> {
    const buffer = Buffer.alloc(BUFFER_SIZE);
    try {
      for (;;) this.#reply(device, buffer.subarray(0, await nextRequest(device, buffer, isMounted)));
    } catch (error) {
      if (!isSystemError(error, "ENODEV", "EPERM")) throw error;
    } finally {
      closeSync(device);
    }
  }

  #reply(device: number, request: Buffer): void {
    const operation = request.readUInt32LE(4);
    if (operation === FORGET || operation === BATCH_FORGET) return;
    const body = this.#answer(operation, request.readBigUInt64LE(16), request.subarray(HEADER_SIZE));
    const header = Buffer.alloc(ANSWER_HEADER_SIZE);
    header.writeUInt32LE(header.length + (typeof body === "number" ? 0 : body.length), 0);
    header.writeInt32LE(typeof body === "number" ? -body : 0, 4);
    request.copy(header, 8, 8, 16);
    writeSync(device, typeof body === "number" ? header : Buffer.concat([header, body]));
    if (
      operation === LOOKUP &&
      typeof body !== "number" &&
      this.#nodes[Number(body.readBigUInt64LE(0)) - 1]?.file?.hangs
    )
      hang();
  }

  #answer(operation: number, id: bigint, body: Buffer): Buffer | number {
    const node = this.#nodes[Number(id) - 1];
    if (operation === INIT) return initAnswer();
    if (node === undefined) return constants.errno.ENOENT;
    switch (operation) {
      case LOOKUP: {
        const found = node.children?.get(body.toString("utf8", 0, body.indexOf(0)));
        return found === undefined ? constants.errno.ENOENT : this.#entry(found);
      }
      case GETATTR:
        return Buffer.concat([Buffer.alloc(16), this.#attributes(node)]);
      case OPEN:
        return openAnswer();
      case OPENDIR:
        return Buffer.alloc(16);
      case READ:
        return slice(this.#contents(node), body);
      case READDIR:
        return slice(this.#listing(node), body);
      case RELEASE:
      case RELEASEDIR:
      case FLUSH:
        return Buffer.alloc(0);
      default:
        return constants.errno.ENOSYS;
    }
  }

  #contents({ file }: Node): Buffer {
    const bytes = Buffer.from(file?.contents ?? "");
    if (file?.changes === "times and contents") bytes.fill(String(this.#inode++));
    return bytes;
  }

  #add(node: Omit<Node, "id">): Node {
    const added = { id: BigInt(this.#nodes.length + 1), ...node };
    this.#nodes.push(added);
    return added;
  }

  #childOf(parent: Node, name: string): Node {
    const known = parent.children?.get(name);
    if (known !== undefined) return known;
    const added = this.#add({ children: new Map() });
    parent.children?.set(name, added);
    return added;
  }

  /** struct fuse_entry_out, with zero validity times. */
  #entry(node: Node): Buffer {
    const entry = Buffer.alloc(40);
    entry.writeBigUInt64LE(node.id, 0);
    return Buffer.concat([entry, this.#attributes(node)]);
  }

  /** struct fuse_attr */
  #attributes({ file }: Node): Buffer {
    const attributes = Buffer.alloc(88);
    const size = file?.reportedSize ?? Buffer.byteLength(file?.contents ?? "");
    const seconds = file?.changes === undefined ? MTIME_S : MTIME_S + this.#inode;
    const times = [seconds, seconds, seconds];
    for (const [i, value] of [this.#inode++, BigInt(size), 0n, ...times].entries())
      attributes.writeBigUInt64LE(value, 8 * i);
    attributes.writeUInt32LE(file === undefined ? MODE.directory : MODE.file, 60);
    attributes.writeUInt32LE(1, 64);
    return attributes;
  }

  /** A struct fuse_dirent for each name; the offset of an entry is where the next one starts. */
  #listing({ children = new Map<string, Node>() }: Node): Buffer {
    let listing = Buffer.alloc(0);
    for (const name of children.keys()) {
      const entry = Buffer.alloc(24 + 8 * Math.ceil(Buffer.byteLength(name) / 8));
      entry.writeBigUInt64LE(this.#inode++, 0);
      entry.writeBigUInt64LE(BigInt(listing.length + entry.length), 8);
      entry.writeUInt32LE(Buffer.byteLength(name), 16);
      entry.write(name, 24);
      listing = Buffer.concat([listing, entry]);
    }
    return listing;
  }
}

/** Reads fail with EPERM until the file system is mounted; the mounting program needs answers before it ends. */
async function nextRequest(device: number, buffer: Buffer, isMounted: Promise<boolean>): Promise<number> {
  for (;;) {
    try {
      return (await readDevice(device, buffer, 0, buffer.length, null)).bytesRead;
    } catch (error) {
      const isEarly = isSystemError(error, "EPERM");
      if (!isEarly || (await Promise.race([isMounted, nextTurn()])) === false) throw error;
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** struct fuse_init_out of version 7.31 */
function initAnswer(): Buffer {
  const answer = Buffer.alloc(64);
  answer.writeUInt32LE(7, 0);
  answer.writeUInt32LE(31, 4);
  answer.writeUInt32LE(1 << 16, 8); // read ahead
  answer.writeUInt16LE(16, 16); // requests under way
  answer.writeUInt16LE(12, 18);
  answer.writeUInt32LE(1 << 16, 20); // bytes of a write
  answer.writeUInt32LE(1, 24); // ns of a time's unit
  return answer;
}

/** Stops before the next request: no process can be killed while it waits for the answer to one that was taken. */
function hang(): void {
  writeSync(process.stdout.fd, "hangs\n");
  process.kill(process.pid, "SIGSTOP");
}

/** FOPEN_DIRECT_IO: reads are not truncated at the reported size. */
function openAnswer(): Buffer {
  const answer = Buffer.alloc(16);
  answer.writeUInt32LE(1, 8);
  return answer;
}

/** The part of the contents that struct fuse_read_in requests. */
function slice(bytes: Buffer, request: Buffer): Buffer {
  const offset = Number(request.readBigUInt64LE(8));
  return bytes.subarray(offset, offset + request.readUInt32LE(16));
}

const path = process.argv[2] ?? "";
const input = createInterface(process.stdin).on("close", () => process.exit());
const [files] = await once(input, "line");
const device = openSync("/dev/fuse", "r+");
// The descriptor has the number 3 in the program that mounts.
const options = "fd=3,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
const mounting = spawn("mount", ["-i", "-t", "fuse", "-o", options, "odd", path], {
  stdio: ["ignore", "ignore", "ignore", device],
});
const isMounted = once(mounting, "close").then(([exitCode]) => {
  process.stdout.write(exitCode === 0 ? "mounted\n" : "not mounted\n");
  return exitCode === 0;
});
await new OddFileSystem(JSON.parse(files)).serve(device, isMounted);
process.exit();
