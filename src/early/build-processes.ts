import { readFileSync } from "node:fs";
import { isSystemError } from "../go/errno.ts";

/**
 * False only if the process has ended or cannot have been started by one of the creator's phases, directly or not:
 *
 * - It started before the creator, which is this process.
 * - Its session was founded before the creator's phases were: each leads a session of its own, and a process can found
 *   a session, but not join one (setsid(2)).
 * - Its ancestors lead to a process that is neither the creator nor one of the creator's ancestors, which are the only
 *   ones that adopt its orphans (PR_SET_CHILD_SUBREAPER(2const)).
 * - Another user runs it in another cgroup: without privileges, no process leaves its cgroup (cgroups(7)).
 *
 * Reads only files of /proc that need no rights over the process.
 * @param builderSession session ID of the builder
 */
export function mayBelongToBuild(pid: string, builderSession: number): boolean {
  try {
    const candidate = readProcess(pid);
    if (candidate === undefined) return false;
    if (candidate.session === builderSession) return true;
    const creator = required(String(process.pid));
    if (candidate.startTicks < creator.startTicks) return false;
    if (isOldSession(candidate.session, creator)) return false;
    return isDescendant(candidate, creator) ?? !(isOfOtherUser(pid) && isInOtherCgroup(pid));
  } catch {
    return true;
  }
}

/** True if the first thread has ended, but others have not. The files of such a process show only through those. */
export function hasLostFirstThread(pid: string): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.state === "Z" && stat.threads > 1;
}

interface Process {
  readonly pid: string;
  readonly parent: string;
  readonly session: number;
  /** Since the machine's start. */
  readonly startTicks: number;
}

/** Undefined once the process has ended, even if its parent never reaps it, like process 1 of many containers. */
function readProcess(pid: string): Process | undefined {
  const stat = readStat(pid);
  return stat === undefined || (stat.state === "Z" && stat.threads <= 1) ? undefined : stat;
}

function required(pid: string): Process {
  const found = readStat(pid);
  if (found === undefined) throw new Error(`process ${pid} has ended`);
  return found;
}

/** A program's name, in parentheses, may contain anything (proc_pid_stat(5)). */
function readStat(pid: string): (Process & { readonly state: string; readonly threads: number }) | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "", parent = ""] = fields;
    return {
      pid,
      state,
      parent,
      session: Number(fields[3]),
      threads: Number(fields[17]),
      startTicks: Number(fields[19]),
    };
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** Session 0 belongs to another PID namespace (pid_namespaces(7)). */
function isOldSession(session: number, creator: Process): boolean {
  if (session === 0 || session === creator.session) return true;
  const leader = readStat(String(session));
  return leader !== undefined && leader.startTicks < creator.startTicks;
}

/** Undefined for a child or an orphan of the creator's ancestors: an orphan may come from the build. */
function isDescendant(candidate: Process, creator: Process): boolean | undefined {
  const ancestors = new Set<string>();
  for (let { parent } = creator; parent !== NONE; { parent } = required(parent)) ancestors.add(parent);
  if (ancestors.has(candidate.pid)) return false;
  for (let at = candidate; ; at = required(at.parent)) {
    if (at.pid === creator.pid) return true;
    if (ancestors.has(at.pid)) return undefined;
    // Its parent is in another PID namespace, or it is older than the build.
    if (at.parent === NONE || at.startTicks < creator.startTicks) return false;
  }
}

/** The parent of the first process of a PID namespace. */
const NONE = "0";

function isOfOtherUser(pid: string): boolean {
  const ids = /^Uid:\s*(.+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]?.split(/\s+/);
  return ids !== undefined && !ids.includes(String(process.geteuid?.()));
}

function isInOtherCgroup(pid: string): boolean {
  return readFileSync(`/proc/${pid}/cgroup`, "latin1") !== readFileSync("/proc/self/cgroup", "latin1");
}
