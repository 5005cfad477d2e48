import { constants, existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A bit of `SigCgt` (proc_pid_status(5)). */
const SIGTERM_BIT = 14n;

export function handlesSigterm(pid: number | undefined): boolean {
  return hasBit(pid, "SigCgt", SIGTERM_BIT);
}

/** A bit of `CapEff` (linux/capability.h). */
const SYS_PTRACE_BIT = 19n;

/** False for root of most containers: it may not look at the open files of a process that became the build's user. */
export const SEES_BUILD_USER = process.getuid?.() !== 0 || hasBit(process.pid, "CapEff", SYS_PTRACE_BIT);

function hasBit(pid: number | undefined, mask: string, bit: bigint): boolean {
  const digits = new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return ((BigInt(`0x${digits}`) >> bit) & 1n) === 1n;
}

/** The fields of a process or thread (proc_pid_stat(5)) from the third, its state, on: names may contain spaces. */
export function statFields(path: string): string[] {
  const stat = readFileSync(`${path}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The nice values of all threads of a process of Node's, by their names. */
export function threadNiceness(pid: number | undefined): Record<string, readonly number[]> {
  const found: Record<string, number[]> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim();
    found[name] = [...(found[name] ?? []), Number(statFields(`/proc/${pid}/task/${thread}`)[16])];
  }
  return found;
}

/** True if writes to the descriptor block, for this process and for all that share its description. */
export function blocks(pid: number | undefined, descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8"))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0;
}

/** True if a thread of the process waits in the kernel for the other end of a FIFO that it opens. */
export function waitsToOpenFifo(pid: number | undefined): boolean {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).some((thread) =>
    /wait_for_partner|fifo_open/.test(readFileSync(`${threads}/${thread}/wchan`, "utf8")),
  );
}

/**
 * True if yes(1), which only writes, waits for space in its pipe or terminal. All users may read a process's state, but
 * not what it waits for.
 */
export function waitsToWrite(pid: number): boolean {
  return /^\d+ \(yes\) S /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

const LISTENING = "0A";

/** Local addresses, in the format of proc(5), on which a process listens. */
export function listeningSockets(pid: number): string[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => openFile(`/proc/${pid}/fd/${fd}`));
  // Kernels without IPv6 have no tcp6.
  const tables = ["tcp", "tcp6"].map((name) => `/proc/${pid}/net/${name}`).filter((path) => existsSync(path));
  const rows = tables.flatMap((path) => readFileSync(path, "utf8").split("\n"));
  return rows.flatMap((row) => {
    const [, address = "", , state, , , , , , inode] = row.trim().split(/\s+/);
    return state === LISTENING && fds.includes(`socket:[${inode}]`) ? [address] : [];
  });
}

function openFile(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor);
  } catch {
    return undefined;
  }
}

/**
 * Processes (PID and command line) that use the directory as their working directory, or name it in their arguments or
 * environment; without this process and its children, which run the tests if it is the test runner.
 */
export function processesOf(directory: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const names = [command, readFileSync(`/proc/${pid}/environ`, "utf8"), readlinkSync(`/proc/${pid}/cwd`)];
      if (parent === process.pid || !names.some((text) => text.includes(directory))) return [];
      return [`${pid}: ${command.replaceAll("\0", " ")}`];
    } catch {
      // It has ended, or belongs to another user.
      return [];
    }
  });
}
