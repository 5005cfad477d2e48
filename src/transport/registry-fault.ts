import { Fault, type FaultCode, type FaultDetails } from "../faults/fault.ts";

/** The code of a fault of a request that nobody answered. */
export const UNREACHABLE = "EXPORT_REGISTRY_UNREACHABLE";

/** One element of a registry's error body (distribution-spec v1.1.1, "Error Codes"). */
export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly detail: unknown;
}

export interface RegistryFaultDetails extends FaultDetails {
  readonly status?: number | undefined;
  readonly diagnostics?: readonly Diagnostic[];
  readonly isTemporary: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** A request to a registry or its token server that failed. */
export class RegistryFault extends Fault {
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** True when the same request may succeed later. */
  readonly isTemporary: boolean;
  /** The wait in ms that the registry asked for. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FaultCode, message: string, details: RegistryFaultDetails) {
    super(code, message, details);
    this.status = details.status;
    this.diagnostics = details.diagnostics ?? [];
    this.isTemporary = details.isTemporary;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The same with another hint, and with what it was for. */
  withHint(hint: string, destination: string | undefined = this.destination): RegistryFault {
    const { status, diagnostics, isTemporary, retryAfterMs, cause } = this;
    const details = { status, diagnostics, isTemporary, retryAfterMs, cause, hint };
    return new RegistryFault(this.code, this.message, {
      ...details,
      ...(destination === undefined ? {} : { destination }),
      ...(this.exitCode === undefined ? {} : { exitCode: this.exitCode }),
    });
  }
}

/** The codes of faults that say that something is not there, or may not be read. */
export const NOT_FOUND: FaultCode = "EXPORT_REGISTRY_NOT_FOUND";
export const DENIED: FaultCode = "EXPORT_REGISTRY_DENIED";

export function isTemporary(error: unknown): boolean {
  return error instanceof RegistryFault && error.isTemporary;
}

export function askedWaitMs(error: unknown): number | undefined {
  return error instanceof RegistryFault ? error.retryAfterMs : undefined;
}
