import { goQuote } from "../../../src/go/format.ts";
import { BadPattern, goMatch } from "../../../src/go/match.ts";
import { concatenation, mutated } from "./mutations.ts";
import { type FuzzTarget, outcomeOf, violated } from "./target.ts";

const PATTERNS = ["*.js", "node_modules/*/lib/?[a-z]*.txt", "[^abc]\\*[a-", "a*b*c*d*e*f", "[é-ü]?"];
const PATTERN_PIECES = ["*", "?", "[", "]", "^", "-", "\\", "a", "b", "/", "é", "[a-z]", "[]", "**", "x", "[^", "😀"];
const NAMES = ["a.js", "node_modules/m/lib/xab.txt", "aXbXcXdXeXf", "é", ""];
const NAME_PIECES = ["a", "b", "ab", "/", ".", "é", "*", "[", "]", "\\", "x", "😀", "-"];

function bytesOf(text: string): string {
  return Buffer.from(text.toWellFormed()).toString("latin1");
}

export interface GlobCase {
  /** Byte strings. */
  readonly pattern: string;
  readonly name: string;
}

export const globs: FuzzTarget<GlobCase> = {
  name: "globs",
  generate: (random) => ({
    pattern: bytesOf(mutated(random, random.pick(PATTERNS), PATTERN_PIECES)),
    name: bytesOf(
      random.below(2) === 0 ? concatenation(random, NAME_PIECES, 6) : mutated(random, random.pick(NAMES), NAME_PIECES),
    ),
  }),
  check: ({ pattern, name }) =>
    outcomeOf(
      () => ({ match: goMatch(pattern, name) }),
      (error) => error instanceof BadPattern,
    ),
};

const QUOTED = [
  "",
  "plain",
  'a "quoted" text',
  "tab\tnew\nline\\",
  "\u200b\u00ad\ufeff",
  "é😀",
  "\u0007\u001b[31m",
  "\u3000\u00a0",
];

/** Texts in messages become one line, whatever they contain. */
export const quotes: FuzzTarget<string> = {
  name: "quotes",
  generate: (random) =>
    mutated(random, random.pick(QUOTED), ["\0", "\x7f", "\u2028", "'", '"', "\\", "\ud800", "\u{10ffff}"]),
  check(text) {
    const quoted = goQuote(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    if (!/^"[^\u0000-\u001f\u007f]*"$/u.test(quoted)) violated("a control character in a quoted text", text, quoted);
    return quoted;
  },
};
