import { TomlDate } from "smol-toml";
import { describe, expect, it } from "vitest";
import { Fault } from "../../../src/errors/fault.ts";
import { type GoValue, goJson, goStruct, unlessEmpty } from "../../../src/go/json-encode.ts";
import { inTimeZone } from "../../support/process/in-time-zone.ts";
import { thrownBy } from "../../support/thrown-by.ts";

describe("goJson", () => {
  it.each<[string, GoValue, string]>([
    ["null", null, "null"],
    ["booleans", [true, false], "[true,false]"],
    ["an empty array and map", [[], {}, new Map()], "[[],{},{}]"],
    ["HTML characters", "<a>&", '"\\u003ca\\u003e\\u0026"'],
    ["line separators", "\u2028\u2029", '"\\u2028\\u2029"'],
    ["quote and backslash", '"\\', '"\\"\\\\"'],
    ["short control escapes", "\b\f\n\r\t", '"\\b\\f\\n\\r\\t"'],
    ["other controls", "\u0000\u0001\u000b\u001f", '"\\u0000\\u0001\\u000b\\u001f"'],
    ["DEL, non-ASCII and astral characters", "\u007fé€😀", '"\u007fé€😀"'],
    ["a lone surrogate", "a\ud800b\udc00", '"a\\ufffdb\\ufffd"'],
    ["a real replacement character", "\ufffd", '"\ufffd"'],
    ["escapes in keys", { "<": 1 }, '{"\\u003c":1}'],
    ["big integers", 9223372036854775807n, "9223372036854775807"],
    ["negative zero", -0, "-0"],
    ["an integral float", 1e20, "100000000000000000000"],
    ["a large float", 1e21, "1e+21"],
    ["the smallest without exponent", 0.000001, "0.000001"],
    ["a small float", 1e-7, "1e-7"],
    ["a fraction", 0.1, "0.1"],
  ])("writes %s", (_, value, expected) => {
    expect(goJson(value)).toBe(expected);
  });

  it("sorts map keys by UTF-8 bytes, where an astral character comes after U+FFFF", () => {
    expect(goJson({ b: 1, "😀": 2, "\uffee": 3, a: 4 })).toBe('{"a":4,"b":1,"\uffee":3,"😀":2}');
    expect(
      goJson(
        new Map([
          ["b", 1],
          ["10", 2],
          ["9", 3],
        ]),
      ),
    ).toBe('{"10":2,"9":3,"b":1}');
  });

  it("keeps the order of a struct and omits undefined members", () => {
    expect(goJson(goStruct({ z: 1, gone: undefined, a: { y: 1, x: 2 } }))).toBe('{"z":1,"a":{"x":2,"y":1}}');
  });

  it.each([
    ["1979-05-27T07:32:00Z", '"1979-05-27T07:32:00Z"'],
    ["1979-05-27T00:32:00.500-07:00", '"1979-05-27T00:32:00.5-07:00"'],
    ["1979-05-27T00:32:00.120+00:00", '"1979-05-27T00:32:00.12Z"'],
    ["2020-01-02T03:04:05", '"2020-01-02T03:04:05Z"'],
    ["2020-01-02", '"2020-01-02T00:00:00Z"'],
    ["03:04:05", '"0000-01-01T03:04:05Z"'],
    ["03:04:05.250", '"0000-01-01T03:04:05.25Z"'],
  ])("writes the TOML date %s", (written, expected) => {
    expect(inTimeZone("UTC", () => goJson(new TomlDate(written)))).toBe(expected);
  });

  it("gives a local date the offset of the process's time zone", () => {
    expect(inTimeZone("Asia/Kolkata", () => goJson(new TomlDate("2020-01-02")))).toBe('"2020-01-02T00:00:00+05:30"');
  });

  it.each([
    [Number.NaN, "json: unsupported value: NaN"],
    [Number.POSITIVE_INFINITY, "json: unsupported value: +Inf"],
    [Number.NEGATIVE_INFINITY, "json: unsupported value: -Inf"],
  ])("refuses %s", (value, message) => {
    const error = thrownBy(() => goJson({ deep: [value] }));
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ message });
  });
});

describe("unlessEmpty", () => {
  it.each([
    ["", "x"],
    [0, 7],
    [0n, 1n],
    [false, true],
    [[], [1]],
    [{}, { a: 1 }],
  ])("omits %o and keeps %o", (empty, full) => {
    expect(unlessEmpty<GoValue>(empty)).toBeUndefined();
    expect(unlessEmpty<GoValue>(full)).toBe(full);
  });

  it("omits an empty Map and null, and keeps an empty struct", () => {
    expect(unlessEmpty(new Map())).toBeUndefined();
    expect(unlessEmpty(null)).toBeUndefined();
    expect(unlessEmpty(goStruct({}))).toBeDefined();
  });
});
