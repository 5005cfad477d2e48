import { Fault } from "./faults/fault.ts";

/** Signals that ask the command to stop, with the exit code of a process that they ended, as shells count it. */
const STOP_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that asks the command to stop. */
export type StopSignal = keyof typeof STOP_SIGNALS;

/** Why everything under way is aborted. */
export class StopFault extends Fault {
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super("EXPORT_CANCELLED", `stopped by ${signal}`, { exitCode: STOP_SIGNALS[signal] });
    this.signal = signal;
  }
}

/** How long the command may take to end what is under way. The rest of the second is for the process to end. */
const GRACE_MS = 700;

/**
 * Rejects with the signal's reason some time after it was aborted, however much is still under way then: nothing that is left
 * to be done makes anything whole that would otherwise be half.
 */
export function overdue(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => setTimeout(() => reject(signal.reason), GRACE_MS).unref(), { once: true });
  return promise;
}

/** Signals that end a Node.js process and that a Go program ignores (Go's runtime/sigtab_linux_generic.go, `_SigNotify` alone). */
const HARMLESS_SIGNALS = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGXCPU", "SIGIO", "SIGPWR"] as const;

/**
 * Aborts the returned signal with a {@link StopFault} when the process is asked to stop; asked twice, the process exits.
 * @param ignored stop signals that the process was started to ignore
 */
export function listenForStop(ignored: readonly StopSignal[] = []): AbortSignal {
  const controller = new AbortController();
  for (const signal of [...HARMLESS_SIGNALS, ...ignored]) process.on(signal, () => undefined);
  for (const signal of (["SIGHUP", "SIGINT", "SIGTERM"] as const).filter((name) => !ignored.includes(name)))
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(STOP_SIGNALS[signal]);
      controller.abort(new StopFault(signal));
    });
  return controller.signal;
}
