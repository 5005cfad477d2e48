import { Fault, type FaultCode, toFault } from "./fault.ts";

/** A fault as it crosses a thread border: structured clone keeps only name, message, stack and cause of an error. */
export interface WireFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly exitCode: number | undefined;
  readonly hint: string | undefined;
  readonly destination: string | undefined;
  readonly stack: string | undefined;
}

export function toWire(error: unknown): WireFault {
  const { code, message, exitCode, ownHint: hint, destination, stack } = toFault(error);
  return { code, message, exitCode, hint, destination, stack: Error.isError(error) ? error.stack : stack };
}

export function fromWire(wire: WireFault): Fault {
  const origin = new Error(wire.message);
  if (wire.stack !== undefined) origin.stack = wire.stack;
  const { code, message, exitCode, hint, destination } = wire;
  return new Fault(code, message, { cause: origin, exitCode, hint, destination });
}
