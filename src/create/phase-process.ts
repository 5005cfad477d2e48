import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { Fault, messageOf } from "../faults/fault.ts";
import type { Environment } from "../inputs/environment.ts";
import type { CommandOutput } from "../report/command-output.ts";
import { StopFault } from "../stop-signals.ts";
import type { Phase } from "./phase-arguments.ts";

/** How a phase is started. */
export interface PhaseStart {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Where its output goes. */
  readonly output: CommandOutput;
  /** The user to start it as; absent: the creator's own. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/**
 * Runs a phase to its end; its output goes where the creator's goes, after it. When the creator is asked to stop, the phase and all
 * processes that it started are asked by the same signal, and it has the time it needs to end; when the creator's process
 * ends before, they are killed.
 * @returns its exit code
 * @throws Fault when it cannot be started, or a signal ended it; the abort signal's reason
 */
export async function runPhase(phase: Phase, start: PhaseStart, signal: AbortSignal): Promise<number> {
  const streams = await start.output.passOn(signal);
  signal.throwIfAborted();
  // In a process group of its own, so that what a buildpack started can be stopped with it.
  const child = spawn(start.program, start.args, {
    env: start.env,
    stdio: ["ignore", ...streams],
    detached: true,
    ...start.user,
  });
  const stop = () => signalGroup(child, signal.reason instanceof StopFault ? signal.reason.signal : "SIGTERM");
  const kill = () => signalGroup(child, "SIGKILL");
  signal.addEventListener("abort", stop);
  process.on("exit", kill);
  try {
    await once(child, "exit");
  } catch (error) {
    throw startFault(phase, error);
  } finally {
    signal.removeEventListener("abort", stop);
    // What is left of it when the creator was stopped has no more to do, and would keep the output open.
    if (!signal.aborted) process.off("exit", kill);
  }
  signal.throwIfAborted();
  if (child.exitCode !== null) return child.exitCode;
  throw signalFault(phase, child.signalCode ?? "SIGKILL");
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // The group has ended just now.
  }
}

function startFault(phase: Phase, error: unknown): Fault {
  return new Fault("EXPORT_PHASE_START", `failed to start the ${phase}: ${messageOf(error)}`, {
    exitCode: 1,
    cause: error,
  });
}

/** The exit code is the one that shells give a process which a signal ended. */
function signalFault(phase: Phase, name: NodeJS.Signals): Fault {
  const hint = "If nobody stopped it, the machine or its container was out of memory.";
  return new Fault("EXPORT_PHASE_KILLED", `the ${phase} was ended by ${name}`, {
    exitCode: 128 + constants.signals[name],
    ...(name === "SIGKILL" ? { hint } : {}),
  });
}
