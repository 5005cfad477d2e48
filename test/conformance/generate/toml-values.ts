import type { Draw } from "./draw.ts";

const STRINGS = [
  '""',
  '"plain"',
  '"<b>&amp;</b>"',
  '"quote \\" back \\\\ slash /"',
  '"tab\\tnew\\nline\\r\\b\\f"',
  '"\\u0000\\u0001\\u001f\\u007f\\u0080"',
  '"\\u2028\\u2029"',
  '"\\U0001F600 é 日本"',
  "'literal \\n \"'",
  "'''\nmany\nlines'''",
  '"""\nfolded \\\n   line"""',
  "'C:\\path'",
  '"\\e\\x41"',
];

const NUMBERS = [
  "0",
  "-0",
  "+7",
  "1_000",
  "0xdead_BEEF",
  "0o755",
  "0b1010",
  "9007199254740993",
  "9223372036854775807",
  "-9223372036854775808",
  "0.0",
  "-0.0",
  "1.0",
  "3.14",
  "1e3",
  "6.02E+23",
  "1e-7",
  "1e20",
  "1e21",
  "5e-324",
  "0.1",
  "123456789.123456789",
  "-2.5e-3",
];

const DATES = [
  "1979-05-27T07:32:00Z",
  "1979-05-27T00:32:00.999999-07:00",
  "2024-02-29 12:00:00.123456789+05:30",
  "1979-05-27T07:32:00",
  "1979-05-27T00:32:00.5",
  "1979-05-27",
  "07:32:00",
  "00:32:00.100",
  "07:32",
  "1979-05-27t07:32z",
  "1979-05-27 07:32",
];

/** Not the empty key: beside arrays the reference confuses it with the table that it is in. */
const KEYS = ["a", "b", "version", "Name", "with-dash", "_", "1", '"quoted key"', '"dot.ted"', "'lit'", '"é"', '"<"'];

/** A value as TOML text, on one line but for strings of several. */
export function drawTomlValue(draw: Draw, depth = 3): string {
  return draw.weighted<() => string>([
    [5, () => draw.pick(STRINGS)],
    [5, () => draw.pick(NUMBERS)],
    [2, () => draw.pick(["true", "false"])],
    [2, () => draw.pick(DATES)],
    [depth > 0 ? 3 : 0, () => drawArray(draw, depth - 1)],
    [depth > 0 ? 3 : 0, () => drawInlineTable(draw, depth - 1)],
  ])();
}

/** A value that JSON cannot hold. */
export function drawUnspeakable(draw: Draw): string {
  return draw.pick(["nan", "inf", "-inf", "[1.0, +nan]"]);
}

function drawArray(draw: Draw, depth: number): string {
  const values = draw.times(draw.between(0, 3), () => drawTomlValue(draw, depth));
  const separator = draw.pick([", ", ",\n  ", " ,"]);
  const end = values.length > 0 && draw.chance(0.2) ? "," : "";
  return `[${values.join(separator)}${end}]`;
}

function drawInlineTable(draw: Draw, depth: number): string {
  const pairs = distinctKeys(draw, draw.between(0, 3)).map((key) => `${key} = ${drawTomlValue(draw, depth)}`);
  // Lines and a comma at the end are TOML 1.1.
  const separator = draw.pick([", ", ", ", ",\n"]);
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(separator)}${draw.chance(0.05) ? "," : ""} }`;
}

/**
 * A table with its header, and tables below it.
 * @param path as it stands in the header
 */
export function drawTomlTable(draw: Draw, path: string, depth = 2): string {
  const keys = distinctKeys(draw, draw.between(0, 4));
  const lines = [`[${path}]`];
  const below: string[] = [];
  for (const key of keys) {
    const kind =
      depth > 0 ? draw.weighted([[6, "value"] as const, [1, "table"] as const, [1, "array"] as const]) : "value";
    if (kind === "value") lines.push(`${draw.pick(["", "", "  "])}${key} = ${drawTomlValue(draw)}${comment(draw)}`);
    else if (kind === "table") below.push(drawTomlTable(draw, `${path}.${key}`, depth - 1));
    else
      below.push(
        ...draw.times(draw.between(1, 2), () =>
          drawTomlTable(draw, `${path}.${key}`, 0).replace(/^\[(.*)\]/, "[[$1]]"),
        ),
      );
  }
  return `${lines.join("\n")}\n${below.join("")}`;
}

/** A string of TOML that stands for a text. */
export function tomlString(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

/** A list of strings. */
export function tomlStrings(texts: readonly string[]): string {
  return `[${texts.map(tomlString).join(", ")}]`;
}

function comment(draw: Draw): string {
  return draw.chance(0.1) ? " # and so on" : "";
}

function distinctKeys(draw: Draw, count: number): string[] {
  return [...new Set(draw.times(count, () => draw.pick(KEYS)))];
}
