import { expect, test } from "vitest";
import { newId, newTrace, parseTraceparent, traceparentOf } from "../../../../src/observe/telemetry/trace-context.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

test.each([
  ["sampled", `00-${TRACE}-${PARENT}-01`, 1],
  ["not sampled", `00-${TRACE}-${PARENT}-00`, 0],
  ["with flags that version 00 does not know", `00-${TRACE}-${PARENT}-ff`, 1],
  ["of a later version", `cc-${TRACE}-${PARENT}-01`, 1],
  ["of a later version with more fields", `cc-${TRACE}-${PARENT}-01-what-the-future-will-be`, 1],
])("a traceparent %s is taken over", (_, text, flags) => {
  expect(parseTraceparent(text)).toEqual({ traceId: TRACE, parentId: PARENT, flags });
});

/** Most come from the W3C's test suite (https://github.com/w3c/trace-context). */
test.each([
  ["", "is empty"],
  [`ff-${TRACE}-${PARENT}-01`, "has the version that is forbidden"],
  [`00-${TRACE}-${PARENT}-01-more`, "has more fields than version 00"],
  [`00-${TRACE}-${PARENT}-01-`, "ends in a dash"],
  [`cc-${TRACE}-${PARENT}-01.more`, "has no dash before what is more"],
  [`00-${TRACE.toUpperCase()}-${PARENT}-01`, "has upper-case digits"],
  [`00-${"0".repeat(32)}-${PARENT}-01`, "has a trace-id of zeros"],
  [`00-${TRACE}-${"0".repeat(16)}-01`, "has a parent-id of zeros"],
  [`00-${TRACE.slice(1)}-${PARENT}-01`, "has a trace-id that is too short"],
  [`00-${TRACE}0-${PARENT}-01`, "has a trace-id that is too long"],
  [`00-${TRACE}-${PARENT.slice(1)}-01`, "has a parent-id that is too short"],
  [`00-${TRACE}-${PARENT}-1`, "has one digit of flags"],
  [`00-${TRACE}-${PARENT}`, "has no flags"],
  [`00-${TRACE.replace("4", "g")}-${PARENT}-01`, "has a digit that is not hexadecimal"],
  [`0-${TRACE}-${PARENT}-01`, "has one digit of version"],
  [` 00-${TRACE}-${PARENT}-01`, "begins with a space"],
  [`00-${TRACE}-${PARENT}-01\n`, "ends in a newline"],
  [`00_${TRACE}_${PARENT}_01`, "has other separators"],
])("%j is invalid: it %s", (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});

test("the traceparent of a span parses", () => {
  const [trace, span] = [newTrace(), newId(8)];
  expect(trace).toEqual({ traceId: expect.stringMatching(/^[\da-f]{32}$/), parentId: "", flags: 1 });
  const text = traceparentOf(trace.traceId, span, trace.flags);
  expect(parseTraceparent(text)).toEqual({ ...trace, parentId: span });
});
