import { posix } from "node:path";
import { EXIT_CODES } from "../cnb/exit-codes.ts";
import { Fault, type FaultDetails } from "../faults/fault.ts";
import type { Command } from "./flag-table.ts";

/** The command that the command line selects, and its arguments (docs/compatibility.md#program-names). */
export type Invocation = { readonly kind: "version" } | PhaseInvocation;

/** A command to run. */
export interface PhaseInvocation {
  readonly kind: "phase";
  readonly command: Command;
  /** The word that chose it, for the log. */
  readonly phase: string;
  readonly args: readonly string[];
}

/** As the reference lists them. */
const PHASES = "detect, analyze, restore, build, export, rebase, create, extend";

const PROGRAMS: ReadonlyMap<string, Command> = new Map([
  ["exporter", "exporter"],
  ["creator", "creator"],
]);

const ACTIONS: ReadonlyMap<string, Command> = new Map([
  ["export", "exporter"],
  ["create", "creator"],
]);

/**
 * A program named `exporter` or `creator`, whatever its last extension, is that; any other name takes the action from its
 * first argument, `export` or `create`.
 * @param program path by which the program was started
 * @throws Fault with exit code 3 for another action or none
 */
export function parseInvocation(program: string, args: readonly string[]): Invocation {
  const base = posix.basename(program);
  const dot = base.lastIndexOf(".");
  const name = dot < 0 ? base : base.slice(0, dot);
  const command = PROGRAMS.get(name);
  if (command !== undefined) return { kind: "phase", command, phase: name, args };
  const [word, ...rest] = args;
  if (word === undefined) throw argumentFault("failed to parse arguments");
  if (word === "-version") return { kind: "version" };
  const phase = posix.basename(word);
  const action = ACTIONS.get(phase);
  if (action !== undefined) return { kind: "phase", command: action, phase, args: rest };
  throw argumentFault(`failed to recognize phase: ${phase} \nValid phases: ${PHASES}`, {
    hint: "Of these, this program has export and create only.",
  });
}

function argumentFault(message: string, details: FaultDetails = {}): Fault {
  return new Fault("EXPORT_ARGS_PHASE", message, { exitCode: EXIT_CODES.invalidArgs, ...details });
}
