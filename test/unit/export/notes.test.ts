import { expect, test } from "vitest";
import { noted } from "../../../src/export/notes.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

test("lines of early work are printed at its turn, in order and at their levels", async () => {
  const logger = new RecordingLogger();
  const outcome = await noted(async (notes) => {
    notes.warn("a");
    await null;
    notes.debug("b");
    return 1;
  });
  expect(logger.lines).toEqual([]);
  expect(outcome.isDone).toBe(true);
  logger.info("before");
  expect(outcome.replay(logger)).toBe(1);
  expect(logger.lines).toEqual(["info before", "warn a", "debug b"]);
});

test("a failure is thrown at its turn, after its lines", async () => {
  const logger = new RecordingLogger();
  const failure = new Error("failed");
  const outcome = await noted(async (notes) => {
    notes.error("why");
    throw failure;
  });
  expect(outcome.isDone).toBe(false);
  expect(() => outcome.result()).toThrow(failure);
  expect(logger.lines).toEqual([]);
  expect(() => outcome.replay(logger)).toThrow(failure);
  expect(logger.lines).toEqual(["error why"]);
});
