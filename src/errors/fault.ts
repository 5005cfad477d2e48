import { format } from "node:util";
import { CODES, type FaultCode } from "./codes.ts";
import { printable, printableLine } from "./printable.ts";
import { withoutSecrets } from "./secrets.ts";
import { shortageCode, shortageHint, systemCodeOf, systemHint } from "./shortage.ts";

export type { FaultCode } from "./codes.ts";

/** Optional details of a fault. */
export interface FaultDetails {
  /**
   * Exit code of the process if this fault ends it (docs/compatibility.md#exit-codes); default: the code's own, if it
   * has one, else that of a wrapping fault.
   */
  readonly exitCode?: number | undefined;
  /**
   * Sentences in the imperative; a line feed may separate them. Precedence: a shortage among the causes, this hint, a
   * system error among the causes, the code's hint.
   */
  readonly hint?: string | undefined;
  /** The registry, repository, path or image concerned. */
  readonly destination?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The only error type that this project throws on purpose. The message is the text a user sees, so it names the file,
 * flag or reference concerned and never contains a credential. It is one line, in which nothing acts upon a terminal.
 */
export class Fault extends Error {
  /** The kind of failure: `EXPORT_<stage>_<what>` (docs/troubleshooting.md). */
  readonly code: FaultCode;
  /** Exit code of the command, if this fault ends it. */
  readonly exitCode: number | undefined;
  /** How to resolve it, in the imperative. */
  readonly hint: string | undefined;
  /** The registry, repository, path or image concerned. */
  readonly destination: string | undefined;
  // Private, so that Node.js does not print it beside `hint`.
  readonly #ownHint: string | undefined;

  constructor(code: FaultCode, message: string, details: FaultDetails = {}) {
    super(printableLine(withoutSecrets(message)), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "Fault";
    this.code = code;
    this.exitCode = details.exitCode ?? CODES[code].exitCode;
    const hint = shortageHint(details.cause) ?? details.hint ?? systemHint(details.cause);
    this.#ownHint = hint === undefined ? undefined : printable(withoutSecrets(hint));
    this.hint = this.#ownHint ?? CODES[code].hint;
    this.destination = details.destination;
  }

  /** Without the hint that every fault of this code has. @internal */
  get ownHint(): string | undefined {
    return this.#ownHint;
  }

  /** A fault of the same class, code, hint and destination with another message and this one as its cause. @internal */
  reworded(message: string, exitCode: number | undefined = this.exitCode): Fault {
    return new Fault(this.code, message, this.detailsForWrapping(exitCode));
  }

  /** @internal */
  protected detailsForWrapping(exitCode: number | undefined): FaultDetails {
    return { cause: this, exitCode, hint: this.ownHint, destination: this.destination };
  }
}

export function messageOf(error: unknown): string {
  try {
    // Unlike String(), this also takes an object without a prototype.
    return format("%s", Error.isError(error) ? error.message : error);
  } catch {
    // Its own conversion to text throws.
    return `an unprintable ${typeof error}`;
  }
}

export function messageAndHint(error: unknown): string {
  const { message, hint } = toFault(error);
  return hint === undefined ? message : `${message}\n${hint}`;
}

/** Like {@link messageAndHint}, but the hint only if it is more specific than its code's. */
export function warningOf(error: unknown): string {
  const { message, ownHint } = toFault(error);
  return ownHint === undefined ? message : `${message}\n${ownHint}`;
}

/**
 * Converts anything thrown to a fault. System errors and shortages get codes of their own, as they are not defects of
 * this program.
 */
export function toFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault(codeOfThrown(error), messageOf(error), { cause: error });
}

function codeOfThrown(error: unknown): FaultCode {
  return shortageCode(error) ?? (systemCodeOf(error) === undefined ? "EXPORT_INTERNAL" : "EXPORT_SYSTEM");
}

/**
 * Puts `context: ` before a fault's message and keeps everything else about it, as Go's `%w` wrapping does in the
 * reference's texts.
 * @param code for anything but a fault
 */
export function withContext(context: string, error: unknown, code?: FaultCode): Fault {
  const message = `${context}: ${messageOf(error)}`;
  if (error instanceof Fault) return error.reworded(message);
  return new Fault(code ?? codeOfThrown(error), message, { cause: error });
}

/** Replaces the hint that every fault of its code has. */
export function withDefaultHint(error: unknown, hint: string): Fault {
  const fault = toFault(error);
  if (fault.ownHint !== undefined) return fault;
  const { code, message, exitCode, destination } = fault;
  return new Fault(code, message, { cause: fault, exitCode, destination, hint });
}

/**
 * The reference's `cmd.FailErr`/`FailErrCode` (lifecycle cmd/exit.go): `failed to <action>: <cause>`. Without an
 * explicit exit code the cause's own is kept, and 1 is used when it has none.
 */
export function failTo(action: string, error: unknown, exitCode?: number): Fault {
  const message = `failed to ${action}: ${messageOf(error)}`;
  if (error instanceof Fault) return error.reworded(message, exitCode ?? error.exitCode ?? 1);
  const code = codeOfThrown(error);
  return new Fault(code, message, { cause: error, exitCode: exitCode ?? CODES[code].exitCode ?? 1 });
}
