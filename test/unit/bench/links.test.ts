import { expect, test } from "vitest";
import { describeLink, parseLink } from "../../bench/network/links.ts";

test.each([
  ["free", undefined, false, "loopback"],
  ["22", 22e6, false, "22 MB/s, round trips of 20 ms, one link for each registry"],
  ["2.5-shared", 2.5e6, true, "2.5 MB/s, round trips of 20 ms, one link for both registries"],
])("%s", (name, bytesPerSecond, isShared, words) => {
  const link = parseLink(name);
  expect(link).toMatchObject({ name, bytesPerSecond, isShared });
  expect(describeLink(link)).toBe(words);
});

test.each(["", "22-both", "-22", "fast"])("%j is refused", (name) => {
  expect(() => parseLink(name)).toThrow("a link is free");
});
