import { Fault, type FaultCode, toFault } from "./fault.ts";

/**
 * A fault as it crosses a thread border, where an error would arrive as a plain Error without its code and fields
 * (structured clone keeps name, message, stack and cause only).
 */
export interface WireFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly exitCode: number | undefined;
  /** Its own, not the code's. */
  readonly hint: string | undefined;
  readonly destination: string | undefined;
  readonly stack: string | undefined;
}

/** Anything that was thrown, ready to be posted. What is not a Fault becomes one, with its stack. */
export function toWire(error: unknown): WireFault {
  const { code, message, exitCode, ownHint: hint, destination, stack } = toFault(error);
  return { code, message, exitCode, hint, destination, stack: error instanceof Error ? error.stack : stack };
}

/** The fault on the other side of the border; the thread's stack is kept as the cause. */
export function fromWire(wire: WireFault): Fault {
  const origin = new Error(wire.message);
  if (wire.stack !== undefined) origin.stack = wire.stack;
  const { code, message, exitCode, hint, destination } = wire;
  return new Fault(code, message, { cause: origin, exitCode, hint, destination });
}
