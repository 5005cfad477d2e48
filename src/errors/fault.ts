import { withoutSecrets } from "./secrets.ts";
import { shortageHint } from "./shortage.ts";

/** The stages a fault can come from; the middle word of every fault code. */
export type FaultStage =
  | "API"
  | "ARGS"
  | "INPUT"
  | "PLAN"
  | "LAYER"
  | "IMAGE"
  | "REGISTRY"
  | "LAYOUT"
  | "DAEMON"
  | "AUTH"
  | "CACHE"
  | "REPORT"
  | "PRIVILEGES"
  | "PHASE"
  | "LIMIT"
  | "CANCELLED"
  | "INTERNAL";

/** A stable, greppable name for one kind of failure. */
export type FaultCode = `EXPORT_${FaultStage}_${string}` | `EXPORT_${FaultStage}`;

/** What a fault may carry besides its message. */
export interface FaultDetails {
  /**
   * Exit code of the process if this fault ends it (docs/compatibility.md#exit-codes); absent if the wrapping code
   * decides.
   */
  readonly exitCode?: number;
  /** One sentence that tells the user what to do about it. A cause that is a shortage has advice of its own, which goes first. */
  readonly hint?: string;
  /** The registry, repository, path or image that the failing operation was for. */
  readonly destination?: string;
  readonly cause?: unknown;
}

/**
 * The only error type that this project throws on purpose. The message is the text a user sees, so it names the file,
 * flag or reference concerned and never contains a credential.
 */
export class Fault extends Error {
  /** What kind of failure it is: `EXPORT_<stage>_<what>`. */
  readonly code: FaultCode;
  /** What the command exits with. */
  readonly exitCode: number | undefined;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** The registry, repository, path or image concerned. */
  readonly destination: string | undefined;

  constructor(code: FaultCode, message: string, details: FaultDetails = {}) {
    super(withoutSecrets(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "Fault";
    this.code = code;
    this.exitCode = details.exitCode;
    const hint = shortageHint(details.cause) ?? details.hint;
    this.hint = hint === undefined ? undefined : withoutSecrets(hint);
    this.destination = details.destination;
  }
}

/** The message of anything that was thrown, for embedding into another message. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The message of anything that was thrown, with its hint on a second line. */
export function messageAndHint(error: unknown): string {
  const hint = error instanceof Fault && error.hint !== undefined ? `\n${error.hint}` : "";
  return `${messageOf(error)}${hint}`;
}

/**
 * Puts `context: ` before a fault's message and keeps everything else about it, as Go's `%w` wrapping does in the
 * reference's texts.
 */
export function withContext(context: string, error: unknown, code: FaultCode = "EXPORT_INTERNAL"): Fault {
  const message = `${context}: ${messageOf(error)}`;
  if (!(error instanceof Fault)) return new Fault(code, message, { cause: error });
  return new Fault(error.code, message, {
    cause: error,
    ...(error.exitCode === undefined ? {} : { exitCode: error.exitCode }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.destination === undefined ? {} : { destination: error.destination }),
  });
}

/**
 * The reference's `cmd.FailErr`/`FailErrCode` (lifecycle cmd/exit.go): `failed to <action>: <cause>`. Without an explicit
 * exit code the cause's own is kept, and 1 is used when it has none.
 */
export function failTo(action: string, error: unknown, exitCode?: number): Fault {
  const wrapped = withContext(`failed to ${action}`, error);
  return new Fault(wrapped.code, wrapped.message, {
    cause: error,
    exitCode: exitCode ?? wrapped.exitCode ?? 1,
    ...(wrapped.hint === undefined ? {} : { hint: wrapped.hint }),
    ...(wrapped.destination === undefined ? {} : { destination: wrapped.destination }),
  });
}
