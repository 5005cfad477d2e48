import { chmodSync } from "node:fs";
import { TomlDate } from "smol-toml";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  flag,
  freeTable,
  freeValue,
  isMissingFile,
  mapOf,
  readDocument,
  readDocumentIfPresent,
  readToml,
  table,
  text,
  texts,
} from "../../../src/build-output/toml.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { rejectionOf } from "../../support/thrown-by.ts";

const element = table({ id: text, optional: flag });
const schema = table({
  group: z.array(element).default([]),
  image: table({ reference: text }).optional(),
  free: freeTable,
  any: freeValue,
  text,
  texts,
  flag,
  map: mapOf(element).optional(),
});

async function read(content: string | Uint8Array) {
  return readToml(`${tempTree({ "f.toml": content })}/f.toml`, schema);
}

test("absent keys are Go's zero values", async () => {
  expect(await read("unknown = 1\n[unknown-table]\nx = []")).toEqual({
    group: [],
    free: null,
    any: null,
    text: "",
    texts: [],
    flag: false,
  });
});

describe("keys", () => {
  test.each([
    ["TEXT = 'a'", "a"],
    ["Text = 'a'", "a"],
    ["text = 'exact'\nTEXT = 'other'", "exact"],
    ["TEXT = 'other'\ntext = 'exact'", "exact"],
  ])("%j", async (content, value) => {
    expect((await read(content)).text).toBe(value);
  });

  test("match in nested tables, but not inside free values", async () => {
    const content =
      "[[GROUP]]\nId = 'a'\n[IMAGE]\nReference = 'r'\n[Any]\nKey = 1\nkey = 2\n[map.A]\nID = 'x'\n[map.a]";
    expect(await read(content)).toMatchObject({
      group: [{ id: "a" }],
      image: { reference: "r" },
      any: { Key: 1n, key: 2n },
      map: new Map([
        ["A", { id: "x", optional: false }],
        ["a", { id: "", optional: false }],
      ]),
    });
  });

  test("__proto__ is an ordinary key", async () => {
    const { any } = await read("[any.__proto__]\nx = 1");
    expect(Object.entries(any ?? {})).toEqual([["__proto__", expect.objectContaining({ x: 1n })]]);
  });
});

test("free values keep 64 bit integers, floats and dates", async () => {
  const content =
    "any = [9007199254740993, -9223372036854775808, 1, 1.5, true, 'é', 1979-05-27T07:32:00Z, {a = 1}, inf, [[]]]";
  expect((await read(content)).any).toEqual([
    9007199254740993n,
    -9223372036854775808n,
    1n,
    1.5,
    true,
    "é",
    expect.any(TomlDate),
    { a: 1n },
    Number.POSITIVE_INFINITY,
    [[]],
  ]);
});

test("integers and floats are distinguished", async () => {
  expect((await read("any = [1, 1.0, -0, -0.0]")).any).toEqual([1n, 1, 0n, -0]);
});

test.each([
  ["1979-05-27T07:32:00.123456789Z", "1979-05-27T07:32:00.123456789+00:00", false],
  ["1979-05-27 00:32:00.999999-07:00", "1979-05-27T00:32:00.999999-07:00", false],
  ["1979-05-27T07:32:00.5", "1979-05-27T07:32:00.5", true],
  ["1979-05-27", "1979-05-27", true],
  ["00:32:00.999999", "00:32:00.999999", true],
])("the date %s keeps its digits and its kind", async (written, text, isLocal) => {
  const { any } = await read(`any = ${written}`);
  if (!(any instanceof TomlDate)) throw new Error(typeof any);
  expect(any.toISOString()).toBe(text);
  expect(any.isLocal()).toBe(isLocal);
  expect([any.isDate(), any.isTime()]).toEqual([written === "1979-05-27", written.startsWith("00:32")]);
});

test("a value of another type in place of a free table or map is ignored, as by Go's decoder", async () => {
  expect(await read("free = 'x'\nmap = 1")).toMatchObject({ free: null, map: new Map() });
  expect((await read("free = {a = 1}")).free).toEqual({ a: 1n });
});

test("a byte order mark is skipped, and TOML 1.1 is accepted", async () => {
  expect((await read("\ufefftext = 'bom'")).text).toBe("bom");
  expect((await read('any = {\n a = "\\e\\x41",\n}')).any).toEqual({ a: "\u001bA" });
});

// Texts after the key, whose indices are additions, were printed by BurntSushi/toml 1.6.0 for the same documents.
test.each([
  ["group = 1", 'last key "group"): incompatible types: TOML value has type int64; destination has type slice'],
  [
    "[group]\nid='x'",
    'last key "group"): incompatible types: TOML value has type map[string]any; destination has type slice',
  ],
  ["group = ['a']", 'last key "group[0]"): type mismatch: expected table but found string'],
  ["group = [2020-01-01]", 'last key "group[0]"): type mismatch: expected table but found time.Time'],
  [
    "[[group]]\nid = 'a'\n[[group]]\nid = 1",
    'last key "group[1].id"): incompatible types: TOML value has type int64; destination has type string',
  ],
  [
    "[[group]]\nID = 'a'\noptional = 'true'",
    'last key "group[0].optional"): incompatible types: TOML value has type string; destination has type boolean',
  ],
  ["image = 'x'", 'last key "image"): type mismatch: expected table but found string'],
  ["image = 10:00:00", 'last key "image"): type mismatch: expected table but found time.Time'],
  ["image = []", 'last key "image"): type mismatch: expected table but found []any'],
  ["[[image]]", 'last key "image"): type mismatch: expected table but found []map[string]any'],
  ["text = 1.5", 'last key "text"): incompatible types: TOML value has type float64; destination has type string'],
  ["text = true", 'last key "text"): incompatible types: TOML value has type bool; destination has type string'],
  [
    "text = 1979-05-27T07:32:00Z",
    'last key "text"): incompatible types: TOML value has type time.Time; destination has type string',
  ],
  ["texts = 'x'", 'last key "texts"): incompatible types: TOML value has type string; destination has type slice'],
  [
    "texts = ['a', 1]",
    'last key "texts[1]"): incompatible types: TOML value has type int64; destination has type string',
  ],
  ["flag = 1", 'last key "flag"): incompatible types: TOML value has type int64; destination has type boolean'],
  ["[map]\nx = 1", 'last key "map.x"): type mismatch: expected table but found int64'],
  [
    "[map.x]\nid = 1",
    'last key "map.x.id"): incompatible types: TOML value has type int64; destination has type string',
  ],
  ["[any]\na.b = [9223372036854775808]", 'last key "any.a.b[0]"): 9223372036854775808 is out of range for int64'],
  [Buffer.from("a = 'é'\nx = 'é'\n", "latin1"), "line 1: the file is not valid UTF-8"],
  [Buffer.concat([Buffer.from("a = 'é'\r\nx = '"), Buffer.from([0xff])]), "line 2: the file is not valid UTF-8"],
  [Buffer.from("\ufefftext = 'x'", "utf16le"), "line 1: the file must be UTF-8, and is probably UTF-16"],
  [Buffer.from("text = 'x'", "utf16le"), "line 1: the file must be UTF-8, and is probably UTF-16"],
  [Buffer.from("\ufefftext = 'x'", "utf16le").swap16(), "line 1: the file must be UTF-8, and is probably UTF-16"],
  ["\ufeff\ufefftext = 'x'", "line 1: illegal character in key"],
])("%j is refused", async (content, reason) => {
  const root = tempTree({ "f.toml": content });
  const { message } = (await rejectionOf(readDocument("group file", `${root}/f.toml`, schema))) as Error;
  const key = reason.startsWith("last key") ? "(" : "";
  expect(message).toBe(`failed to read group file: ${root}/f.toml: toml: ${key}${reason}`);
});

test.each([["a ="], ["a = 1\na = 2"], ["x\n"], ["a = 'b\nc'"], ["a = 'b\u0000'"]])(
  "%j names the line",
  async (content) => {
    const { message } = (await rejectionOf(read(content))) as Error;
    expect(message).toMatch(/f\.toml: toml: line \d: [^\n]+$/);
  },
);

test.each([["2021-02-29"], ["2021-13-01T00:00:00Z"], ["2021-01-01 25:00:00.5+01:00"], ["10:61:00"]])(
  "the date %s is named, and its line",
  async (date) => {
    const { message } = (await rejectionOf(read(`a = 1\nd = [1, ${date} ]`))) as Error;
    expect(message).toMatch(`f.toml: toml: line 2: invalid datetime: "${date}"`);
  },
);

test("a missing file is a fault caused by ENOENT", async () => {
  const path = `${tempTree()}/none.toml`;
  const error = await rejectionOf(readDocument("group file", path, schema));
  expect(error).toMatchObject({ message: `failed to read group file: open ${path}: no such file or directory` });
  expect(isMissingFile(error)).toBe(true);
  expect(await readDocumentIfPresent("x", path, schema)).toBeUndefined();
});

test("a path through a file is not a missing file", async () => {
  const path = `${tempTree({ file: "" })}/file/x.toml`;
  expect(await rejectionOf(readDocumentIfPresent("run file", path, schema))).toMatchObject({
    message: `failed to read run file: open ${path}: not a directory`,
  });
});

test.skipIf(process.getuid?.() === 0)("a file without permission is not missing", async () => {
  const path = `${tempTree({ "f.toml": "" })}/f.toml`;
  chmodSync(path, 0);
  expect(await rejectionOf(readDocumentIfPresent("run file", path, schema))).toMatchObject({
    message: `failed to read run file: open ${path}: permission denied`,
  });
});

describe("malicious documents", () => {
  const cases: [string, string, RegExp][] = [
    ["a chain of dotted keys", `${"a.".repeat(100_000)}a = 1`, /: toml: tables are nested more than 1000 levels deep$/],
    ["inline tables in each other", `x = ${"{a=".repeat(100_000)}`, /: toml: line 1: .*nested/],
    ["arrays in each other", `x = ${"[".repeat(100_000)}`, /: toml: line 1: .*nested/],
    [
      "a number of a hundred thousand digits",
      `x = ${"9".repeat(100_000)}`,
      /: toml: \(last key "x"\): 9{40}\.\.\. \(100000 digits\) is out of range for int64$/,
    ],
    ["9 MB", `x = "${"a".repeat(9e6)}"`, /^read .*f\.toml: it has 9000006 bytes, more than 8388608$/],
  ];
  test.each(cases)("%s", async (_, content, message) => {
    const fault = await rejectionOf(read(content));
    expect(fault).toMatchObject({
      code: expect.stringMatching(/^EXPORT_INPUT/),
      message: expect.stringMatching(message),
    });
  });

  test("names of JavaScript's object members are ordinary keys", async () => {
    const content =
      "[free]\n__proto__ = { a = 1 }\nconstructor.prototype.b = 2\n[map.__proto__]\nid = 'x'\n[__proto__]\ntext = 'y'\n";
    const document = await read(content);
    expect(Object.entries(document.free as object)).toEqual([
      ["__proto__", { a: 1n }],
      ["constructor", { prototype: { b: 2n } }],
    ]);
    expect(document.map).toEqual(new Map([["__proto__", expect.objectContaining({ id: "x" })]]));
    expect(document.text).toBe("");
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  test("a second with more than nine digits of fraction", async () => {
    expect((await read("any = 1979-05-27T07:32:00.12345678912Z")).any).toEqual(
      new TomlDate("1979-05-27T07:32:00.123Z"),
    );
  });

  test.each(["2021-02-30", "2021-13-01T00:00:00Z", "2021-02-29T07:32:00"])("%s is no day", async (date) => {
    expect(await rejectionOf(read(`text = "x"\nany = ${date}`))).toMatchObject({
      message: expect.stringMatching(/: toml: line 2: /),
    });
  });
});
