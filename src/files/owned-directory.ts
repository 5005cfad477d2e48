import { randomUUID } from "node:crypto";
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isNotExist, isSystemError } from "../go/errno.ts";

const LOCK = "lock";

const MODE = 0o666;

const ATTEMPTS = 100;

/** SQLite result codes (https://www.sqlite.org/rescode.html); the low byte of an extended code is its primary code. */
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_CANTOPEN = 14;

/**
 * In bytes, without links. SQLite's os_unix.c opens names of up to 512, and its pager keeps 8 for a journal's suffix.
 */
const MAX_LOCK_PATH = 504;

type Refusal = "held" | "unsupported";

/**
 * A directory with one owner at a time. Ownership is a kernel lock (fcntl(2)) on a file in the directory: it ends with
 * the owning process, however that ends, and holds across containers, whose process IDs are unrelated, and across
 * machines if their file system shares locks.
 *
 * SQLite takes the lock, because Node has no call for it: a write transaction that never writes. Closing any descriptor
 * of a file drops the process's locks on it. SQLite accounts for that between its connections, so nothing else here
 * opens an existing lock file.
 */
export class OwnedDirectory {
  readonly path: string;
  /**
   * False on file systems without locks and for paths too long for SQLite: several processes may own the directory at
   * once.
   */
  readonly isExclusive: boolean;
  readonly #lock: DatabaseSync | undefined;
  readonly #file: BigIntStats;

  private constructor(path: string, file: BigIntStats, lock: DatabaseSync | undefined) {
    this.path = path;
    this.isExclusive = lock !== undefined;
    this.#lock = lock;
    this.#file = file;
  }

  /**
   * Creates the directory, in an existing parent, and takes ownership of it. Its contents stay.
   * @returns undefined if it has an owner
   * @throws Node's error
   */
  static claim(path: string): OwnedDirectory | undefined {
    const file = join(path, LOCK);
    let failure: Error | undefined;
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      const found = findOrCreate(path, file);
      if (found === undefined) continue;
      const lock = tryLock(file);
      if (lock === "unsupported" || (lock === "held" && !canLock(path)))
        return new OwnedDirectory(path, found, undefined);
      if (lock === "held") return undefined;
      if (Error.isError(lock)) {
        failure = lock;
        continue;
      }
      // A lock on a file that its former owner has unlinked protects nothing.
      if (isSame(found, file)) return new OwnedDirectory(path, found, lock);
      lock.close();
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  contents(): string[] {
    return readdirSync(this.path).flatMap((name) => (name === LOCK ? [] : [join(this.path, name)]));
  }

  /**
   * Ends the ownership and removes the directory if it is empty. Best effort: the next owner removes leftovers.
   * Idempotent, and synchronous so that it also works while the process exits.
   */
  release(): void {
    const file = join(this.path, LOCK);
    ignoringErrors(() => {
      // Belongs to another owner if this one's file was removed.
      if (isSame(this.#file, file)) unlinkSync(file);
      // Not recursively: without the lock file the directory may have a new owner.
      rmdirSync(this.path);
    });
    if (this.#lock?.isOpen) this.#lock.close();
  }
}

function findOrCreate(directory: string, file: string): BigIntStats | undefined {
  unlessExisting(() => mkdirSync(directory));
  try {
    // The target of a link does not belong to the owner.
    if (!lstatSync(directory).isDirectory()) unlinkSync(directory);
    unlessExisting(() => closeSync(openSync(file, "wx", MODE)));
    return statSync(file, { bigint: true });
  } catch (error) {
    if (isNotExist(error)) return undefined;
    throw error;
  }
}

function tryLock(file: string): DatabaseSync | Refusal | Error {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    // In memory, because a journal would be a second file. IMMEDIATE, because EXCLUSIVE also fails while another
    // process tries to lock, so that two of them could block each other.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN IMMEDIATE");
    return database;
  } catch (error) {
    database?.close();
    const code = primaryCodeOf(error);
    if (code === SQLITE_BUSY) return "held";
    if (code === SQLITE_IOERR || (code === SQLITE_CANTOPEN && isTooLong(file))) return "unsupported";
    if (!Error.isError(error)) throw error;
    // SQLite does not report why it could not open the file; the system does.
    refuseUnwritable(file);
    return error;
  }
}

/**
 * Some file systems report every lock as held: SMB with mandatory locks, NFS without a lock service.
 * @returns false if even a new file cannot be locked
 */
function canLock(directory: string): boolean {
  const file = join(directory, `${LOCK}-${randomUUID()}`);
  try {
    const lock = tryLock(file);
    if (lock instanceof DatabaseSync) lock.close();
    return lock !== "held" && lock !== "unsupported";
  } catch {
    return true;
  } finally {
    ignoringErrors(() => rmSync(file, { force: true }));
    // Its owner may have failed to remove it, because of this file.
    ignoringErrors(() => rmdirSync(directory));
  }
}

function isTooLong(file: string): boolean {
  try {
    return Buffer.byteLength(realpathSync(file)) > MAX_LOCK_PATH;
  } catch {
    return false;
  }
}

function primaryCodeOf(error: unknown): number | undefined {
  if (!Error.isError(error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

function isSame(one: BigIntStats, file: string): boolean {
  const other = statSync(file, { bigint: true, throwIfNoEntry: false });
  // An inode number can be reused at once.
  return other !== undefined && one.dev === other.dev && one.ino === other.ino && one.birthtimeNs === other.birthtimeNs;
}

function refuseUnwritable(file: string): void {
  try {
    accessSync(file, constants.W_OK);
  } catch (error) {
    if (!isNotExist(error)) throw error;
  }
}

function unlessExisting(create: () => void): void {
  try {
    create();
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
}

/** Best effort: a leftover, e.g. in another user's directory, only wastes space. */
export function ignoringErrors(remove: () => void): void {
  try {
    remove();
  } catch {}
}
