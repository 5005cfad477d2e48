import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Signals by their bit in `SigCgt` (proc_pid_status(5)). */
const SIGTERM_BIT = 1n << 14n;

/** Whether a process has a handler for SIGTERM. */
export function handlesSigterm(pid: number | undefined): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (BigInt(`0x${mask}`) & SIGTERM_BIT) !== 0n;
}

/** Whether a write to a descriptor of a process blocks, for this process and for all that share it. */
export function blocks(pid: number | undefined, descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8"))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0;
}

/** Whether a thread of a process waits in the kernel for the other end of a FIFO that it opens. */
export function waitsToOpenFifo(pid: number | undefined): boolean {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).some((thread) =>
    /wait_for_partner|fifo_open/.test(readFileSync(`${threads}/${thread}/wchan`, "utf8")),
  );
}

/** Whether a process waits in the kernel for room in the pipe or the terminal that it writes to. */
export function waitsToWrite(pid: number): boolean {
  return /pipe|wait_woken|n_tty/.test(readFileSync(`/proc/${pid}/wchan`, "utf8"));
}

const LISTENING = "0A";

/** Local addresses, as proc(5) writes them, of the TCP sockets on which a process waits for connections. */
export function listeningSockets(pid: number): string[] {
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => openFile(`/proc/${pid}/fd/${fd}`));
  const rows = ["tcp", "tcp6"].flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n"));
  return rows.flatMap((row) => {
    const [, address = "", , state, , , , , , inode] = row.trim().split(/\s+/);
    return state === LISTENING && fds.includes(`socket:[${inode}]`) ? [address] : [];
  });
}

/** @returns undefined when it was closed meanwhile */
function openFile(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor);
  } catch {
    return undefined;
  }
}
