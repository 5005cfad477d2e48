import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { registerSecret } from "../../../src/errors/secrets.ts";
import { openEvents } from "../../../src/observe/event-writer.ts";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { failNextClose } from "../../support/builtin-mocks.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const EVENT: ExportEvent = { event: "error", reason: "late", elapsedMs: 1 };

test("a closed writer does not write to the next file with its descriptor", async () => {
  const directory = tempTree();
  const events = openEvents(join(directory, "events.jsonl"));
  events.write(EVENT);
  await events.close(0);
  const next = openSync(join(directory, "next"), "w");
  try {
    events.write(EVENT);
  } finally {
    closeSync(next);
  }
  expect(readFileSync(join(directory, "next"), "utf8")).toBe("");
  expect(readFileSync(join(directory, "events.jsonl"), "utf8")).toBe(`${JSON.stringify(EVENT)}\n`);
});

test("events do not show a secret that a reason repeats", async () => {
  registerSecret("secret-of-an-event");
  const path = join(tempTree(), "events.jsonl");
  const events = openEvents(path);
  events.write({ ...EVENT, reason: "you sent secret-of-an-event" });
  await events.close(0);
  expect(readFileSync(path, "utf8")).toContain('"reason":"you sent [redacted]"');
});

test("a closed writer leaves the caller's descriptor open and stops writing to it", async () => {
  const path = join(tempTree(), "events.jsonl");
  const file = openSync(path, "a");
  const events = openEvents(file);
  await events.close(0);
  events.write(EVENT);
  closeSync(file);
  expect(readFileSync(path, "utf8")).toBe("");
});

test("an error of close(2), as of a full network file system, is the reason for lost events", async () => {
  const path = join(tempTree(), "events.jsonl");
  const events = openEvents(path);
  failNextClose();
  expect(await events.close(0)).toBe(`write ${path}: disk quota exceeded`);
});
