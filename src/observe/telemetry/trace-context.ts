import { randomBytes } from "node:crypto";

/**
 * A traceparent (https://www.w3.org/TR/trace-context/#traceparent-header-field-values): ids of 32 and 16 lower-case hex
 * digits, not all zero; `parentId` is "" for the first span of a trace. Bit 0 of the flags: sampled.
 */
export interface TraceContext {
  readonly traceId: string;
  readonly parentId: string;
  readonly flags: number;
}

const SAMPLED = 1;

const HEX_BYTES = 16;

/** `<version>-<trace-id>-<parent-id>-<trace-flags>`; a later version may append more fields. */
const TRACEPARENT =
  /^(?!ff)(?<version>[\da-f]{2})-(?!0{32})(?<traceId>[\da-f]{32})-(?!0{16})(?<parentId>[\da-f]{16})-(?<flags>[\da-f]{2})(?<more>-.*)?$/;

export function parseTraceparent(text: string): TraceContext | undefined {
  const { version, traceId = "", parentId = "", flags = "", more } = TRACEPARENT.exec(text)?.groups ?? {};
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  // Version 00 defines the first flag only, and the meaning of others in later versions is unknown.
  return { traceId, parentId, flags: Number.parseInt(flags, HEX_BYTES) & SAMPLED };
}

export function traceparentOf(traceId: string, spanId: string, flags: number): string {
  return `00-${traceId}-${spanId}-${flags.toString(HEX_BYTES).padStart(2, "0")}`;
}

export function newTrace(): TraceContext {
  return { traceId: newId(16), parentId: "", flags: SAMPLED };
}

export function newId(bytes: 8 | 16): string {
  const id = randomBytes(bytes).toString("hex");
  return /^0*$/.test(id) ? newId(bytes) : id;
}
