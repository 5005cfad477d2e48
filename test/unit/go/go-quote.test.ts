import { expect, test } from "vitest";
import { goQuote } from "../../../src/go/format.ts";

// Right-hand sides were printed by Go 1.26's fmt.Printf("%q").
test.each([
  ["", '""'],
  ["a b", '"a b"'],
  ['say "x" \\', '"say \\"x\\" \\\\"'],
  ["a\tb\nc\u0007\u0001\u007f", '"a\\tb\\nc\\a\\x01\\x7f"'],
  ["é日\u{1f600}", '"é日\u{1f600}"'],
  ["\u00a0\u200b\u{e0001}", '"\\u00a0\\u200b\\U000e0001"'],
])("quotes %j", (text, quoted) => {
  expect(goQuote(text)).toBe(quoted);
});
