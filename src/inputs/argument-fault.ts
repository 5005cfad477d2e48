import { Fault } from "../faults/fault.ts";

/** An argument that cannot be used; the caller's wrapping gives the exit code. */
export function argumentFault(message: string): Fault {
  return new Fault("EXPORT_ARGS_INVALID", message);
}
