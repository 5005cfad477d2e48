import { readFileSync } from "node:fs";
import { z } from "zod";

const integer = z.string().regex(/^-?\d+$/);
const nanoseconds = z.string().regex(/^\d{19}$/);
const hex = (digits: number) => z.string().regex(new RegExp(`^(?!0*$)[\\da-f]{${digits}}$`));

const scalar = z.union([
  z.strictObject({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.strictObject({ intValue: integer }).transform(({ intValue }) => Number(intValue)),
  z.strictObject({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
  z.strictObject({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
]);
const anyValue = z.union([
  scalar,
  z
    .strictObject({ arrayValue: z.strictObject({ values: z.array(scalar) }) })
    .transform((value) => value.arrayValue.values),
]);
/** The collector omits empty lists. */
const attributes = z
  .array(z.strictObject({ key: z.string().min(1), value: anyValue }))
  .refine((list) => new Set(list.map(({ key }) => key)).size === list.length, "keys are unique")
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])))
  .prefault([]);

/**
 * TracesData of opentelemetry-proto v1.9 (trace.proto, common.proto, resource.proto) in OTLP's JSON encoding: lower
 * camel case names, hexadecimal ids, 64-bit integers as strings, enumerations as numbers. Strict, because readers
 * silently ignore unknown members.
 */
const tracesSchema = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string() }),
          spans: z.array(
            z.strictObject({
              traceId: hex(32),
              spanId: hex(16),
              parentSpanId: hex(16).default(""),
              flags: z.int().min(0).max(0x3ff),
              name: z.string().min(1),
              kind: z.literal([1, 3]),
              startTimeUnixNano: nanoseconds,
              endTimeUnixNano: nanoseconds,
              attributes,
              events: z
                .array(z.strictObject({ timeUnixNano: nanoseconds, name: z.string().min(1), attributes }))
                .default([]),
              status: z.union([
                z.strictObject({ code: z.literal(2), message: z.string() }),
                z.strictObject({}).transform(() => undefined),
              ]),
            }),
          ),
        }),
      ),
    }),
  ),
});

export interface ReadSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: "internal" | "client";
  readonly startMs: number;
  readonly endMs: number;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  /** Message of an error status. */
  readonly failure: string | undefined;
}

/** Reads a file of OTLP JSON lines. @throws ZodError for a line that violates the protocol */
export function readSpans(path: string): readonly ReadSpan[] {
  const text = readFileSync(path, "utf8");
  if (!text.endsWith("\n")) throw new Error(`${path} ends in a part of a line`);
  return text.slice(0, -1).split("\n").flatMap(parseSpans);
}

export function parseSpans(line: string): readonly ReadSpan[] {
  return tracesSchema.parse(JSON.parse(line)).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ kind, startTimeUnixNano, endTimeUnixNano, events, status, ...span }) => ({
        ...span,
        kind: kind === 3 ? ("client" as const) : ("internal" as const),
        startMs: Number(BigInt(startTimeUnixNano) / 1000n) / 1000,
        endMs: Number(BigInt(endTimeUnixNano) / 1000n) / 1000,
        resource: resource.attributes,
        events: events.map(({ name, attributes }) => ({ name, attributes })),
        failure: status?.message,
      })),
    ),
  );
}
