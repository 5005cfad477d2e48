/**
 * OTLP's JSON encoding of spans (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), one TracesData
 * message per line as in OpenTelemetry's file exporter
 * (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/). 64-bit integers are decimal strings. For why no
 * package does this, see docs/decisions/0011-own-otlp-writer.md.
 */

import { wellFormed } from "../../go/byte-string.ts";

/**
 * A bigint is an integer, a number a double: backends distinguish them, and 1.0 must not become an integer. Undefined
 * attributes are omitted.
 */
type AttributeValue = string | bigint | number | boolean | readonly string[];

export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** Times, here and in spans, are ms since 1970. */
export interface SpanEvent {
  readonly name: string;
  readonly ms: number;
  readonly attributes: Attributes;
}

export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly isParentRemote: boolean;
  readonly traceFlags: number;
  readonly name: string;
  readonly kind: "internal" | "client";
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
  readonly failure: string | undefined;
}

export interface Origin {
  readonly resource: Attributes;
  readonly scope: { readonly name: string; readonly version: string };
}

/**
 * Numbers of the enumerations in opentelemetry-proto's trace.proto, which JSON has as integers, and its masks
 * SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE and SPAN_FLAGS_CONTEXT_IS_REMOTE.
 */
const KINDS = { internal: 1, client: 3 } as const;
const STATUS_ERROR = 2;
const KNOWS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

export function tracesLine({ resource, scope }: Origin, span: SpanRecord): string {
  const scopeSpans = [{ scope, spans: [encodeSpan(span)] }];
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: keyValues(resource) }, scopeSpans }] }, wellFormed);
}

function encodeSpan(span: SpanRecord) {
  const { traceId, spanId, parentSpanId, isParentRemote, traceFlags, name, events, failure } = span;
  return {
    traceId,
    spanId,
    ...(parentSpanId === "" ? {} : { parentSpanId }),
    flags: traceFlags | KNOWS_REMOTE | (isParentRemote ? IS_REMOTE : 0),
    name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanoseconds(span.startMs),
    endTimeUnixNano: nanoseconds(Math.max(span.startMs, span.endMs)),
    attributes: keyValues(span.attributes),
    events: events.map(({ ms, name, attributes }) => ({
      timeUnixNano: nanoseconds(ms),
      name,
      attributes: keyValues(attributes),
    })),
    status: failure === undefined ? {} : { code: STATUS_ERROR, message: failure },
  };
}

function keyValues(attributes: Attributes) {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: AttributeValue): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "bigint") return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return { arrayValue: { values: value.map(anyValue) } };
}

/** In ms since 1970, a double resolves a quarter of a microsecond. */
function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
