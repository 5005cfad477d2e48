import { describe, expect, it } from "vitest";
import { blankEntry, imageHistory } from "../../../src/images/image.ts";

const FULL = { author: "a", created: "old", created_by: "RUN", comment: "c", empty_layer: false };
const EMPTY = { ...FULL, empty_layer: true };
const BLANK = blankEntry("now");
const OURS = { ...BLANK, created_by: "ours" };

describe("imageHistory", () => {
  it.each([
    ["keeps entries that fit, with the image's time", [FULL, EMPTY], 1, true, [{ ...FULL, created: "now" }, OURS]],
    ["blanks entries that are too few", [FULL], 2, true, [BLANK, BLANK, OURS]],
    ["blanks entries that are too many", [FULL, FULL], 1, true, [BLANK, OURS]],
    ["adds missing entries", [], 2, true, [BLANK, BLANK, OURS]],
    ["blanks everything below API 0.12", [FULL], 1, false, [BLANK, BLANK]],
  ])("%s", (_, base, layers, keeps, expected) => {
    expect(imageHistory(base, layers, ["ours"], "now", keeps)).toEqual(expected);
  });
});
