import { chownSync, type Dirent, lchownSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { Fault, failTo } from "../errors/fault.ts";
import { goErrnoText, isNotExist, isSystemError, pathFault } from "../go/errno.ts";

const GROUP_WRITE = 0o020;
const WORLD_WRITE = 0o002;

/**
 * Chowns cache directories that the export's user cannot write to (docs/compatibility.md#users-and-permissions). Skips
 * directories that do not exist.
 * @throws Fault `failed to chown volumes: ...`
 */
export function ensureOwner(uid: number, gid: number, paths: readonly string[]): void {
  try {
    for (const path of paths.filter((candidate) => candidate !== "")) ensureOwnerOf(path, uid, gid);
  } catch (error) {
    throw failTo("chown volumes", error);
  }
}

function ensureOwnerOf(path: string, uid: number, gid: number): void {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    if (isNotExist(error)) return;
    throw pathFault("EXPORT_SYSTEM", "stat", path, error);
  }
  if (!canWrite(stats, uid, gid)) chownTree(path, uid, gid);
}

function canWrite(stats: Stats, uid: number, gid: number): boolean {
  return (
    stats.uid === uid || (stats.gid === gid && (stats.mode & GROUP_WRITE) !== 0) || (stats.mode & WORLD_WRITE) !== 0
  );
}

function chownTree(path: string, uid: number, gid: number): void {
  chown(chownSync, "chown", path, uid, gid);
  for (const entry of readEntries(path)) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) chownTree(child, uid, gid);
    else chown(lchownSync, "lchown", child, uid, gid);
  }
}

function readEntries(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw pathFault("EXPORT_SYSTEM", "open", path, error);
  }
}

function chown(call: typeof chownSync, operation: string, path: string, uid: number, gid: number): void {
  try {
    call(path, uid, gid);
  } catch (error) {
    throw new Fault("EXPORT_PRIVILEGES", `${operation} ${path}: ${privilegesReason(error)}`, {
      hint: privilegesHint(uid, gid, error),
      cause: error,
    });
  }
}

/** The kernel's highest user or group ID; the next number means "no change". */
export const MAX_ID = 0xfffffffe;

export function areIds(...ids: readonly number[]): boolean {
  return ids.every((id) => id >= 0 && id <= MAX_ID);
}

/** Node.js itself refuses IDs that the kernel does not have. */
function privilegesReason(error: unknown): string {
  return isSystemError(error) ? goErrnoText(error) : "invalid argument";
}

function privilegesHint(uid: number, gid: number, error: unknown): string | undefined {
  if (!areIds(uid, gid)) return `Give ids from 0 to ${MAX_ID} with -uid and -gid (CNB_USER_ID, CNB_GROUP_ID).`;
  const [ownUid, ownGid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const ownIds = `pass -uid ${ownUid} -gid ${ownGid} (CNB_USER_ID, CNB_GROUP_ID)`;
  const code = isSystemError(error) ? error.code : undefined;
  if (code === "EINVAL")
    return `This container's user namespace does not map ${uid}:${gid}: give the user who starts it subordinate ids (/etc/subuid, /etc/subgid), or ${ownIds}.`;
  if (code !== "EPERM") return undefined;
  if (ownUid === 0) return "This process is root without the capabilities for it: add CHOWN, SETUID and SETGID.";
  return `This process is ${ownUid}:${ownGid}: ${ownIds}, or start it as root with the capabilities SETUID and SETGID.`;
}

/**
 * Switches the process permanently to the given user and group. Keeps supplementary groups and HOME
 * (docs/compatibility.md#users-and-permissions).
 * @throws Fault `failed to exec as user <uid>:<gid>: ...`
 */
export function runAs(uid: number, gid: number): void {
  const { getuid, getgid, setuid, setgid } = process;
  if (getuid === undefined || getgid === undefined || setuid === undefined || setgid === undefined) return;
  if (uid === getuid() && gid === getgid()) return;
  become(uid, gid, setuid, setgid);
}

function become(uid: number, gid: number, setUid: (id: number) => void, setGid: (id: number) => void): void {
  try {
    setGid(gid);
    setUid(uid);
  } catch (cause) {
    const hint = privilegesHint(uid, gid, cause);
    throw failTo(
      `exec as user ${uid}:${gid}`,
      new Fault("EXPORT_PRIVILEGES", privilegesReason(cause), { hint, cause }),
    );
  }
}

/**
 * Runs a task of this process's root with the rights of the given user and group, except for supplementary groups. The
 * task must be synchronous, because all of the process has these rights for as long as it takes.
 * @throws Fault as {@link runAs}
 */
export function asUser<T>(uid: number, gid: number, task: () => T): T {
  const { geteuid, getegid, seteuid, setegid } = process;
  if (geteuid?.() !== 0 || getegid === undefined || seteuid === undefined || setegid === undefined) return task();
  const ownGid = getegid();
  try {
    become(uid, gid, seteuid, setegid);
    return task();
  } finally {
    seteuid(0);
    setegid(ownGid);
  }
}
