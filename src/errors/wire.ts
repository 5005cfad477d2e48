import { Fault, type FaultCode } from "./fault.ts";

/**
 * A fault as it crosses a thread border, where an error would arrive as a plain Error without its code and fields
 * (structured clone keeps name, message, stack and cause only).
 */
export interface WireFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly exitCode: number | undefined;
  readonly hint: string | undefined;
  readonly destination: string | undefined;
  readonly stack: string | undefined;
}

/** Anything that was thrown, ready to be posted. What is not a Fault becomes an internal one with its stack. */
export function toWire(error: unknown): WireFault {
  if (error instanceof Fault) {
    const { code, message, exitCode, hint, destination, stack } = error;
    return { code, message, exitCode, hint, destination, stack };
  }
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: "EXPORT_INTERNAL", message, exitCode: undefined, hint: undefined, destination: undefined, stack };
}

/** The fault on the other side of the border; the thread's stack is kept as the cause. */
export function fromWire(wire: WireFault): Fault {
  const origin = new Error(wire.message);
  if (wire.stack !== undefined) origin.stack = wire.stack;
  return new Fault(wire.code, wire.message, {
    cause: origin,
    ...(wire.exitCode === undefined ? {} : { exitCode: wire.exitCode }),
    ...(wire.hint === undefined ? {} : { hint: wire.hint }),
    ...(wire.destination === undefined ? {} : { destination: wire.destination }),
  });
}
