import { expect, test } from "vitest";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { reportingFailures } from "../../../src/observe/watch.ts";

test("a failure is one event, even if closing the export fails after it", async () => {
  const events: ExportEvent[] = [];
  const run = reportingFailures(
    undefined,
    (event) => events.push(event),
    async (onEvent) => {
      onEvent({ event: "error", reason: "refused", elapsedMs: 1 });
      throw new Error("failed to close");
    },
  );
  await expect(run).rejects.toThrow("failed to close");
  expect(events).toMatchObject([{ reason: "refused" }]);
});
