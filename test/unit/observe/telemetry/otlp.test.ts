import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../../../scripts/script.ts";
import { type SpanRecord, tracesLine } from "../../../../src/observe/telemetry/otlp.ts";

const ORIGIN = {
  resource: { "service.name": "tandem", "lifecycle.version": "0.21.0" },
  scope: { name: "tandem", version: "0.1.0" },
};

const EXPORT: SpanRecord = {
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: "00f067aa0ba902b7",
  parentSpanId: "",
  isParentRemote: false,
  traceFlags: 1,
  name: "export",
  kind: "internal",
  startMs: 1_581_452_772_000.25,
  endMs: 1_581_452_773_000.5,
  attributes: {},
  events: [],
  failure: undefined,
};

/** A span with all members and extreme values. */
const UPLOAD: SpanRecord = {
  ...EXPORT,
  spanId: "b7ad6b7169203331",
  parentSpanId: "00f067aa0ba902b7",
  isParentRemote: true,
  traceFlags: 0,
  name: "upload",
  kind: "client",
  attributes: {
    text: 'quotes " and \\, ü, \u2028, a tab\t',
    integer: 9_007_199_254_740_993n,
    negative: -1n,
    double: 0.1,
    whole: 3,
    bool: false,
    list: ["diff-id", "blob"],
    none: [],
    absent: undefined,
  },
  events: [{ name: "retry", ms: 1_581_452_772_500, attributes: { "error.type": "ECONNRESET", "retry.wait_ms": 12.5 } }],
  failure: "EXPORT_REGISTRY_DENIED",
};

/**
 * Tandem's lines, read and written again by OpenTelemetry's collector (go.opentelemetry.io/collector/pdata 1.70.0,
 * whose unmarshaler the otlpjsonfile receiver uses).
 */
const recorded = readFileSync(join(ROOT, "fixtures", "otlp-collector.jsonl"), "utf8").split("\n");

test.each([
  ["with nothing but what it must have", EXPORT, 0],
  ["with all that it can have", UPLOAD, 1],
] as const)("the collector reads a span %s, and writes it as we do", (_, span, i) => {
  const line = tracesLine(ORIGIN, span);
  expect(withDefaults(JSON.parse(line))).toEqual(withDefaults(JSON.parse(recorded[i] ?? "")));
});

test("64-bit numbers are strings, and a whole double stays a double", () => {
  const line = tracesLine(ORIGIN, UPLOAD);
  expect(line).toContain('"startTimeUnixNano":"1581452772000250000"');
  expect(line).toContain('{"key":"integer","value":{"intValue":"9007199254740993"}}');
  expect(line).toContain('{"key":"whole","value":{"doubleValue":3}}');
  expect(line).not.toContain("\n");
});

test("a span never ends before it starts", () => {
  const line = tracesLine(ORIGIN, { ...EXPORT, endMs: EXPORT.startMs - 1 });
  expect(line).toContain('"endTimeUnixNano":"1581452772000250000"');
});

/** Readers do not distinguish an absent member, an empty list and an empty text, and the two writers differ there. */
function withDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDefaults);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, withDefaults(member)] as const);
  return Object.fromEntries(
    members.filter(([, member]) => member !== "" && !(Array.isArray(member) && member.length === 0)),
  );
}
