import { expect, test } from "vitest";
import type { ExportEvent } from "../../../../src/observe/events.ts";
import { Monitor } from "../../../../src/observe/monitor.ts";
import { type ProgressMode, showProgress } from "../../../../src/observe/progress/show.ts";
import type { Transfer } from "../../../../src/observe/transfer.ts";
import { Log } from "../../../../src/report/log.ts";
import { CommandOutput } from "../../../../src/report/output.ts";
import { ManualClock } from "../../../support/clock.ts";
import { RecordedOutput } from "../../../support/output/recorded-output.ts";
import { RecordingLogger } from "../../../support/output/recording-logger.ts";

const MB = 1e6;
const APP = { destination: "reg.example/app", image: "app", layer: "a:b", unit: "blob" } as const;
const TIMES = { thread: 1, startMs: 0, readMs: 1, endMs: 2 };

async function shown(mode: ProgressMode, hasEvents = false, format: "text" | "json" = "text") {
  const clock = new ManualClock();
  const events: ExportEvent[] = [];
  const monitor = new Monitor((event) => events.push(event), clock.now);
  const logger = new RecordingLogger();
  const out = new RecordedOutput();
  const { written } = out;
  const output = new CommandOutput(out, new RecordedOutput());
  const log = new Log(output.out, output.err);
  log.configure({ level: "info", isColored: false, format });
  const style = { isColored: false, isUnicode: false };
  const stop = await showProgress({
    monitor,
    mode,
    hasEvents,
    logger: format === "json" ? log : logger,
    output,
    style,
    clock,
  });
  return { clock, monitor, events, lines: logger.lines, written, log, stop };
}

function send(transfer: Transfer, clock: ManualClock, seconds: number, bytesPerSecond: number): void {
  const from = transfer.sent;
  for (let i = 1; i <= seconds; i += 1) {
    transfer.reach(from + i * bytesPerSecond);
    clock.pass(1000);
  }
}

test("lines: none for a short export, then one per destination at each interval", async () => {
  const { clock, monitor, lines, stop } = await shown({ kind: "lines", everyMs: 10_000 });
  const app = monitor.transfer({ ...APP, size: 200 * MB });
  const cache = monitor.transfer({ ...APP, destination: "reg.example/cache", image: "cache", size: 100 * MB });
  app.begin();
  send(app, clock, 9, 4 * MB);
  expect(lines).toEqual([]);
  cache.begin();
  send(app, clock, 2, 4 * MB);
  expect(lines).toEqual([
    "info Progress: reg.example/app 20%, 40.0 MB of 200 MB, 4.00 MB/s, 40s left",
    "info Progress: reg.example/cache 0%, 0 B of 100 MB, 0 B/s, waiting",
  ]);
  app.done("sha256:d", 200 * MB, "uploaded");
  cache.reach(50 * MB);
  clock.pass(10_000);
  expect(lines.slice(2)).toEqual(["info Progress: reg.example/cache 50%, 50.0 MB of 100 MB, 0 B/s, waiting"]);
  stop();
  expect(clock.tasks).toBe(0);
});

test("lines report layers before uploads begin", async () => {
  const { clock, monitor, lines } = await shown({ kind: "lines", everyMs: 5_000 });
  const [work] = [monitor.layer("a:b"), monitor.layer("a:c")];
  work.begin(10 * MB, ["diff-id"]);
  work.block({ length: 5 * MB, outputLength: 0, times: TIMES });
  clock.pass(5_000);
  expect(lines).toEqual(["info Progress: hashing a:b 50%, 1 queued, 5.0s elapsed"]);
});

test("progress never goes back, even if more work appears or bytes are sent again", async () => {
  const { clock, monitor, events } = await shown({ kind: "none" }, true);
  const first = monitor.transfer({ ...APP, size: 100 * MB });
  first.begin();
  first.reach(60 * MB);
  clock.pass(5_000);
  first.begin(10 * MB);
  first.reach(20 * MB);
  clock.pass(5_000);
  monitor.transfer({ ...APP, size: 900 * MB }).begin();
  clock.pass(5_000);
  const told = events.flatMap((event) => (event.event === "upload-progress" ? [event] : []));
  expect(told.map(({ sentBytes }) => sentBytes)).toEqual([60 * MB, 60 * MB, 60 * MB]);
  expect(told.map(({ expectedBytes }) => expectedBytes)).toEqual([100 * MB, 100 * MB, 1000 * MB]);
});

test("a fraction never shrinks", async () => {
  const { clock, monitor, lines } = await shown({ kind: "lines", everyMs: 5_000 });
  const transfer = monitor.transfer({ ...APP, size: 100 * MB });
  transfer.begin();
  transfer.reach(60 * MB);
  clock.pass(5_000);
  monitor.transfer({ ...APP, size: 900 * MB }).begin();
  clock.pass(5_000);
  expect(lines.map((line) => /\d+%/.exec(line)?.[0])).toEqual(["60%", "60%"]);
});

test("the expected size of a layer follows from its compression so far", async () => {
  const { clock, monitor, events } = await shown({ kind: "none" }, true);
  const work = monitor.layer("a:b");
  const transfer = monitor.transfer({ ...APP, work });
  work.begin(100 * MB, ["diff-id", "blob"]);
  work.block({ length: 50 * MB, outputLength: 10 * MB, times: TIMES });
  transfer.begin();
  transfer.reach(5 * MB);
  clock.pass(5_000);
  expect(events.at(-1)).toMatchObject({ event: "upload-progress", sentBytes: 5 * MB, expectedBytes: 20 * MB });
});

test("progress in a JSON log is JSON", async () => {
  const { clock, monitor, written } = await shown({ kind: "lines", everyMs: 5_000 }, false, "json");
  monitor.transfer({ ...APP, size: MB }).begin();
  clock.pass(5_000);
  expect(written.map((line) => JSON.parse(line))).toEqual([
    { level: 30, time: expect.any(Number), msg: "Progress: reg.example/app 0%, 0 B of 1.00 MB, 0 B/s, waiting" },
  ]);
});

test("bars are drawn below the log, and erased at the end", async () => {
  const { clock, monitor, written, log, stop } = await shown({ kind: "bars" });
  monitor.layer("a:b").begin(MB, ["diff-id"]);
  clock.pass(100);
  expect(written.at(-1)).toContain("a:b");
  log.info("Adding layer 'a:b'");
  expect(written.at(-1)).toMatch(/Adding layer 'a:b'\n.*a:b/s);
  stop();
  log.info("after");
  expect(written.at(-1)).toBe("after\n");
  expect(clock.tasks).toBe(0);
});
