import { expect, test } from "vitest";
import type { ExportEvent } from "../../../src/observe/events.ts";
import { Monitor } from "../../../src/observe/monitor.ts";

function watched() {
  const events: ExportEvent[] = [];
  const clock = { ms: 1000 };
  const monitor = new Monitor(
    (event) => events.push(event),
    () => clock.ms,
  );
  return { monitor, events, clock };
}

const TIMES = { thread: 1, startMs: 10, readMs: 13, endMs: 20 };
const PLAN = { destination: "example.com/app", image: "app", layer: "a:b", unit: "blob" } as const;
const NAME = { destination: "example.com/app", image: "app", layer: "a:b" };

test("events carry the time since the export began", () => {
  const { monitor, events, clock } = watched();
  clock.ms += 12.4;
  expect(monitor.emit({ event: "cache-failed", reason: "r" })).toBeCloseTo(12.4);
  expect(events).toEqual([{ event: "cache-failed", elapsedMs: 12, reason: "r" }]);
});

test("a layer emits its steps, and counts its threads' work", () => {
  const { monitor, events } = watched();
  const work = monitor.layer("a:b");
  work.begin(2048, ["diff-id", "blob"]);
  expect(work.state).toBe("compressing");
  work.block({ length: 1024, outputLength: 100, times: TIMES });
  work.block({ length: 1024, outputLength: 50, times: TIMES });
  expect(work).toMatchObject({ builtInPass: 2048, builtInAll: 2048, compressed: 150, readMs: 6, encodeMs: 14 });
  work.built({ diffId: "sha256:d", blob: { sha256: "b", size: 160 } });
  expect(work).toMatchObject({ state: "built", compressed: 160, isCompressed: true });
  expect(events.map(({ elapsedMs: _, ...event }) => event)).toEqual([
    { event: "layer-started", id: "a:b", tarSize: 2048, makes: ["diff-id", "blob"] },
    { event: "layer-hashed", id: "a:b", diffId: "sha256:d", tarSize: 2048 },
    { event: "layer-compressed", id: "a:b", digest: "sha256:b", size: 160, tarSize: 2048 },
  ]);
});

test("a second pass counts its own bytes, and adds to the total", () => {
  const { monitor } = watched();
  const work = monitor.layer("a:b");
  for (const makes of [["diff-id"], ["blob"]] as const) {
    work.begin(1024, makes);
    work.block({ length: 1024, outputLength: makes[0] === "blob" ? 7 : 0, times: TIMES });
  }
  expect(work).toMatchObject({ builtInPass: 1024, builtInAll: 2048, compressed: 7 });
});

test("a second begin resumes a transfer, whose count never decreases", () => {
  const { monitor, events, clock } = watched();
  const transfer = monitor.transfer(PLAN);
  expect(transfer.state).toBe("waiting");
  transfer.begin();
  transfer.reach(500);
  transfer.begin(200);
  transfer.reach(300);
  expect(transfer.sent).toBe(500);
  clock.ms += 5;
  transfer.done("sha256:d", 900, "uploaded");
  expect(transfer).toMatchObject({ state: "done", sent: 900, size: 900, startedMs: 0, endedMs: 5 });
  expect(events).toEqual([
    { event: "upload-started", elapsedMs: 0, ...NAME },
    { event: "upload-resumed", elapsedMs: 0, ...NAME, offset: 200 },
    { event: "upload-done", elapsedMs: 5, ...NAME, digest: "sha256:d", size: 900, outcome: "uploaded" },
  ]);
});

test("an existing blob does not count as sent", () => {
  const { monitor } = watched();
  const transfer = monitor.transfer({ ...PLAN, layer: undefined, size: 900 });
  transfer.done("sha256:d", 900, "mounted");
  expect(transfer).toMatchObject({ sent: 0, startedMs: undefined, outcome: "mounted" });
});

test("a blob built at its destination counts as sent as far as it is built", () => {
  const { monitor } = watched();
  let made = 0;
  const transfer = monitor.transfer({ ...PLAN, polledBytes: () => made });
  made = 10;
  expect(transfer.sent).toBe(0);
  transfer.begin();
  expect(transfer.sent).toBe(10);
});

test("a failure is emitted with its reason", () => {
  const { monitor, events } = watched();
  monitor.transfer(PLAN).fail(new Error("no room"));
  expect(events).toEqual([{ event: "upload-failed", elapsedMs: 0, ...NAME, reason: "no room" }]);
});
