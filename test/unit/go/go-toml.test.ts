import { TomlDate } from "smol-toml";
import { describe, expect, it } from "vitest";
import { type GoValue, goStruct } from "../../../src/go/json-encode.ts";
import { goToml, goTomlFloat } from "../../../src/go/toml.ts";

describe("goToml", () => {
  it.each<[string, GoValue, string]>([
    ["a string", 'é\u007f\u0001\b\t\n\f\r"\\', '"é\\u007f\\u0001\\b\\t\\n\\f\\r\\"\\\\"'],
    ["an integer", 9007199254740993n, "9007199254740993"],
    ["a float", 1, "1.0"],
    ["a bool", true, "true"],
    ["an array", ["a", 1n, [2n]], '["a", 1, [2]]'],
    ["an empty array", [], "[]"],
    [
      "tables among other values",
      [{ b: 1n, "odd key": 2n, a: { x: true } }, 1n],
      '[{b = 1, "odd key" = 2, a = {x = true}}, 1]',
    ],
    ["a date with an offset", new TomlDate("2020-01-02T03:04:05.100+00:00"), "2020-01-02T03:04:05.1Z"],
    ["a local date and time", new TomlDate("2020-01-02T03:04:05.250"), "2020-01-02T03:04:05.25"],
    ["a local date", new TomlDate("2020-01-02"), "2020-01-02"],
    ["a local time", new TomlDate("03:04:05"), "03:04:05"],
  ])("writes %s", (_, value, expected) => {
    expect(goToml(goStruct({ k: value }))).toBe(`k = ${expected}\n`);
  });

  it("writes plain values before tables, a blank line before top-level tables and array elements", () => {
    const document = goStruct({
      t: { z: 1n, deep: { k: "v" }, a: 2n, aot: [{ q: 1n }, { q: 2n }], "": null, empty: {} },
      plain: true,
      "odd key": goStruct({ z: 1n, a: 2n }),
    });
    expect(goToml(document)).toBe(
      `plain = true

[t]
  a = 2
  z = 1

  [[t.aot]]
    q = 1

  [[t.aot]]
    q = 2
  [t.deep]
    k = "v"
  [t.empty]

["odd key"]
  z = 1
  a = 2
`,
    );
  });
});

describe("goTomlFloat", () => {
  it.each([
    [1, "1.0"],
    [-0, "-0.0"],
    [-0.5, "-0.5"],
    [123456, "123456.0"],
    [100000.25, "100000.25"],
    [1e6, "1e+06"],
    [-1234567.5, "-1.2345675e+06"],
    [1e21, "1e+21"],
    [1e300, "1e+300"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [Number.NaN, "nan"],
    [Number.POSITIVE_INFINITY, "inf"],
    [Number.NEGATIVE_INFINITY, "-inf"],
  ])("writes %d as Go does", (value, expected) => {
    expect(goTomlFloat(value)).toBe(expected);
  });
});
