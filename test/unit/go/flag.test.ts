import { describe, expect, test } from "vitest";
import { type FlagDefinition, parseGoFlags } from "../../../src/go/flag.ts";

const FLAGS: readonly FlagDefinition[] = [
  { name: "s", type: "string", initial: "S", usage: "str" },
  { name: "b", type: "bool", initial: false, usage: "bool" },
  { name: "i", type: "int", initial: 3, usage: "int" },
  { name: "l", type: "list", initial: ["e"], usage: "list" },
];

// Every expectation was printed by Go 1.26's own flag package for the same definitions and arguments.
describe("parseGoFlags", () => {
  const initial = { s: "S", b: false, i: 3, l: ["e"] };
  test.each([
    [[], {}, []],
    [["-s", "v", "--b", "img", "-x"], { s: "v", b: true }, ["img", "-x"]],
    [["-s=a=b", "--", "-b"], { s: "a=b" }, ["-b"]],
    [["-b", "false"], { b: true }, ["false"]],
    [["-b=f", "-i", "0x1_F", "-l", "x", "-l", "y"], { i: 31, l: ["e", "x", "y"] }, []],
    [["-", "x"], {}, ["-", "x"]],
    [["", "-b"], {}, ["", "-b"]],
    [["-s", "-b"], { s: "-b" }, []],
    [["--s=x"], { s: "x" }, []],
    [["-s", ""], { s: "" }, []],
    [["-s=1", "-s=2"], { s: "2" }, []],
    [["-b", "-b=0", "é"], {}, ["é"]],
    [["-i", "010"], { i: 8 }, []],
    [["-i", "0_7"], { i: 7 }, []],
    [["-i", "0b11"], { i: 3 }, []],
    [["-i", "-0o17"], { i: -15 }, []],
    [["-i", "+5"], { i: 5 }, []],
    [["-i", "0"], { i: 0 }, []],
    [["-i", "1_000"], { i: 1000 }, []],
  ])("parses %j", (args, changed, positionals) => {
    const outcome = parseGoFlags(FLAGS, args);
    if (outcome.kind !== "parsed") throw new Error(JSON.stringify(outcome));
    expect(Object.fromEntries(outcome.values)).toEqual({ ...initial, ...changed });
    expect(outcome.positionals).toEqual(positionals);
  });

  test.each([
    [["-u"], "flag provided but not defined: -u"],
    [["-s"], "flag needs an argument: -s"],
    [["-i", "1x"], 'invalid value "1x" for flag -i: parse error'],
    [["-i", "08"], 'invalid value "08" for flag -i: parse error'],
    [["-i", "1__0"], 'invalid value "1__0" for flag -i: parse error'],
    [["-i", "_1"], 'invalid value "_1" for flag -i: parse error'],
    [["-i", "0x"], 'invalid value "0x" for flag -i: parse error'],
    [["-i", ""], 'invalid value "" for flag -i: parse error'],
    [["-i", " 1"], 'invalid value " 1" for flag -i: parse error'],
    [["-i", 'a"b'], 'invalid value "a\\"b" for flag -i: parse error'],
    [["-i", "9223372036854775808"], 'invalid value "9223372036854775808" for flag -i: value out of range'],
    [["-b=maybe"], 'invalid boolean value "maybe" for -b: parse error'],
    [["-b="], 'invalid boolean value "" for -b: parse error'],
    [["---s"], "bad flag syntax: ---s"],
    [["-=s"], "bad flag syntax: -=s"],
    [["--=x"], "bad flag syntax: --=x"],
  ])("refuses %j", (args, line) => {
    expect(parseGoFlags(FLAGS, args)).toEqual({ kind: "error", line });
  });

  test.each([["-h"], ["-help"], ["--h"], ["--help=x"]])("%s asks for help", (argument) => {
    expect(parseGoFlags(FLAGS, ["-b", argument, "-nope"])).toEqual({ kind: "help" });
  });

  test("does not change the arguments it was given", () => {
    const args = ["-s", "v", "image"];
    parseGoFlags(FLAGS, args);
    expect(args).toEqual(["-s", "v", "image"]);
  });
});
