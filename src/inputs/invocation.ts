import { posix } from "node:path";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, type FaultDetails } from "../faults/fault.ts";

/** Which words of the command line choose the phase, and which are its flags (contract 1.1). */
export type Invocation =
  | { readonly kind: "version" }
  | { readonly kind: "phase"; readonly phase: "exporter" | "export"; readonly args: readonly string[] };

/** As the reference lists them. */
const PHASES = "detect, analyze, restore, build, export, rebase, create, extend";

/**
 * A program named `exporter`, whatever its last extension, exports; any other name takes the action from its first
 * argument, `export`.
 * @param program path by which the program was started
 * @throws Fault with exit code 3 for another action or none
 */
export function parseInvocation(program: string, args: readonly string[]): Invocation {
  const base = posix.basename(program);
  const dot = base.lastIndexOf(".");
  if ((dot < 0 ? base : base.slice(0, dot)) === "exporter") return { kind: "phase", phase: "exporter", args };
  const [action, ...rest] = args;
  if (action === undefined) throw argumentFault("failed to parse arguments");
  if (action === "-version") return { kind: "version" };
  const phase = posix.basename(action);
  if (phase === "export") return { kind: "phase", phase, args: rest };
  throw argumentFault(`failed to recognize phase: ${phase} \nValid phases: ${PHASES}`, {
    hint: "Of these, this program has export only.",
  });
}

function argumentFault(message: string, details: FaultDetails = {}): Fault {
  return new Fault("EXPORT_ARGS_PHASE", message, { exitCode: EXIT_CODES.invalidArgs, ...details });
}
