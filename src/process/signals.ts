import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { Fault } from "../errors/fault.ts";

/**
 * Signals that end a Go program, and that terminals, platforms or people send. Phases of the creator would outlive it.
 */
const STOP_SIGNALS = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGABRT", "SIGTERM"] as const;

export type StopSignal = (typeof STOP_SIGNALS)[number];

/** As in a shell (docs/compatibility.md#exit-codes). */
function exitCodeOf(signal: StopSignal): number {
  return 128 + constants.signals[signal];
}

/** Time to finish after a signal. The rest of the second is for the process to exit. */
const GRACE_MS = 700;

const SECOND_GRACE_MS = 100;

export class StopFault extends Fault {
  readonly signal: StopSignal;
  readonly atMs = performance.now();

  constructor(signal: StopSignal) {
    super("EXPORT_CANCELLED", `stopped by ${signal}`, { exitCode: exitCodeOf(signal) });
    this.signal = signal;
  }
}

/**
 * Rejects with the signal's reason at the end of the grace period. Work that is still running is only cleanup:
 * everything published is complete at any moment.
 */
export function graceExpired(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => setTimeout(() => reject(signal.reason), GRACE_MS).unref(), { once: true });
  return promise;
}

/**
 * Signals that end a Node.js process but that a Go program ignores (Go's runtime/sigtab_linux_generic.go, `_SigNotify`
 * alone).
 */
const HARMLESS_SIGNALS = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGXCPU", "SIGIO", "SIGPWR"] as const;

const listened = new Set<StopSignal>();

/**
 * Aborts the returned signal with a {@link StopFault} at the first stop signal; the process exits at the second.
 * @param ignored stop signals that were ignored when the process started
 */
export function listenForStop(ignored: readonly StopSignal[] = []): AbortSignal {
  const controller = new AbortController();
  for (const signal of [...HARMLESS_SIGNALS, ...ignored]) process.on(signal, () => undefined);
  for (const signal of STOP_SIGNALS.filter((name) => !ignored.includes(name))) {
    listened.add(signal);
    process.on(signal, () => {
      const reason = new StopFault(signal);
      if (controller.signal.aborted) void exitWithin(SECOND_GRACE_MS, exitCodeOf(signal), reason);
      else controller.abort(reason);
    });
  }
  return controller.signal;
}

export async function exitProcess(exitCode: number, { reason }: AbortSignal): Promise<void> {
  await exitWithin(GRACE_MS, exitCode, reason);
}

/**
 * Requests to the thread pool whose system call can block (silent name servers, large copies, FIFOs without a writer),
 * and the port of a worker thread that has not ended, such as one that reads from a hanging file system.
 */
const BLOCKED = /^(?:FSReq|GetAddrInfo|GetNameInfo|MessagePort)/;

const POLL_INTERVAL_MS = 10;

let isExiting = false;

/**
 * While exiting, the runtime waits for its threads and runs no listeners. So the signals get their default action
 * back, and if a thread is still busy after the grace period, the signal ends the process, with the same exit code for
 * shells and platforms. Without a signal, a shell that exits replaces the process: running another program ends all
 * threads.
 * @param graceMs for the threads, from the signal on
 */
async function exitWithin(graceMs: number, exitCode: number, reason: unknown): Promise<void> {
  if (isExiting) return;
  isExiting = true;
  const endMs = graceMs + (reason instanceof StopFault ? reason.atMs : performance.now());
  while (isThreadBusy() && performance.now() < endMs) await delay(POLL_INTERVAL_MS);
  // Added last, so that it runs after all other listeners.
  process.once("exit", () => {
    for (const signal of listened) process.removeAllListeners(signal);
    if (!isThreadBusy()) return;
    if (reason instanceof StopFault) process.kill(process.pid, reason.signal);
    else replaceByExit(exitCode);
  });
  process.exit(exitCode);
}

function replaceByExit(exitCode: number): void {
  try {
    process.execve?.("/bin/sh", ["sh", "-c", `exit ${exitCode}`], {});
  } catch {
    // Without a shell, the process ends after its threads.
  }
}

function isThreadBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => BLOCKED.test(name));
}
