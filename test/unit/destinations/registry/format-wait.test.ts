import { expect, test } from "vitest";
import { formatWait } from "../../../../src/destinations/registry/retries.ts";

test.each([
  [100, "100ms"],
  [999.4, "999ms"],
  [999.6, "1s"],
  [1540, "1.5s"],
  [59_940, "59.9s"],
  [59_960, "1m0s"],
  [300_000, "5m0s"],
  [3_600_000, "1h0m0s"],
])("a wait of %d ms is shown as %s", (waitMs, shown) => {
  expect(formatWait(waitMs)).toBe(shown);
});
