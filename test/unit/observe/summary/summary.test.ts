import { describe, expect, test } from "vitest";
import { Monitor } from "../../../../src/observe/monitor.ts";
import { Activity, type HeldUp } from "../../../../src/observe/summary/activity.ts";
import { advice, type Setup, type Summary, summarize, summaryLines } from "../../../../src/observe/summary/summary.ts";
import { ManualClock } from "../../../support/clock.ts";

const MB = 1e6;
const APP = { destination: "reg.example/app", image: "app", layer: "a:b", unit: "blob" } as const;
const CACHE = { ...APP, destination: "reg.example/cache", image: "cache" } as const;
const SETUP: Setup = {
  workers: 2,
  fittingWorkers: 50,
  mostWorkers: 50,
  cores: 2,
  compression: "gzip",
  compressionLevel: 1,
  parallel: true,
};

function watched() {
  const ticker = new ManualClock();
  const monitor = new Monitor(() => undefined, ticker.now);
  const cpu = { ms: 0 };
  const activity = new Activity(monitor, 2, () => cpu.ms);
  return { ticker, monitor, cpu, activity, stop: activity.watch(ticker) };
}

describe("what holds an export up", () => {
  test("is nothing that can be told of one that was quick", () => {
    const { ticker, activity } = watched();
    ticker.pass(100);
    expect(activity.most).toBeUndefined();
  });

  test("are the cores while blocks are made and nothing waits to be sent", () => {
    const { ticker, monitor, activity, cpu } = watched();
    monitor.layer("a:b").begin(9 * MB, ["diff-id", "blob"]);
    cpu.ms = 450;
    ticker.pass(250);
    expect(activity.most).toEqual({ holdup: { kind: "cores" }, part: 1 });
  });

  test("is the disk while threads read and cores are free", () => {
    const { ticker, monitor, activity, cpu } = watched();
    const work = monitor.layer("a:b");
    work.begin(9 * MB, ["diff-id", "blob"]);
    work.block(0, { length: MB, outputLength: 1, times: { thread: 1, startMs: 0, readMs: 240, endMs: 245 } });
    cpu.ms = 20;
    ticker.pass(250);
    expect(activity.most?.holdup).toEqual({ kind: "disk" });
  });

  test("is the app image's destination when it takes less than is made, also while more is being made", () => {
    const { ticker, monitor, activity } = watched();
    const work = monitor.layer("a:b");
    work.begin(9 * MB, ["diff-id", "blob"]);
    monitor.transfer({ ...CACHE, size: 9 * MB }).begin();
    const app = monitor.transfer({ ...APP, work });
    app.begin();
    work.block(0, { length: 5 * MB, outputLength: 3 * MB, times: { thread: 1, startMs: 0, readMs: 1, endMs: 9 } });
    app.reach(MB);
    ticker.pass(750);
    app.done("sha256:d", 3 * MB, "uploaded");
    ticker.pass(250);
    expect(activity.most).toEqual({ holdup: { kind: "destination", destination: "reg.example/app" }, part: 0.75 });
  });

  test("is the cache's destination when only that has something to send", () => {
    const { ticker, monitor, activity } = watched();
    monitor.transfer({ ...CACHE, size: 9 * MB }).begin();
    ticker.pass(250);
    expect(activity.most?.holdup).toEqual({ kind: "destination", destination: "reg.example/cache" });
  });

  test("are answers when nothing else is going on, and nothing counts after the end", () => {
    const { ticker, monitor, activity, stop } = watched();
    ticker.pass(250);
    stop();
    monitor.layer("a:b").begin(MB, ["diff-id"]);
    ticker.pass(9000);
    expect(activity.most).toEqual({ holdup: { kind: "answers" }, part: 1 });
  });
});

test("a monitor's numbers are summed up; what was reused and made all the same is made", () => {
  const { ticker, monitor } = watched();
  const work = monitor.layer("a:b");
  work.begin(10 * MB, ["diff-id"]);
  work.block(0, { length: 10 * MB, outputLength: 0, times: { thread: 1, startMs: 0, readMs: 1, endMs: 2 } });
  work.begin(10 * MB, ["blob"]);
  work.block(0, { length: 10 * MB, outputLength: 4 * MB, times: { thread: 1, startMs: 0, readMs: 1, endMs: 2 } });
  work.made({ diffId: undefined, blob: { sha256: "b", size: 4 * MB } });
  for (const plan of [APP, CACHE]) {
    const transfer = monitor.transfer({ ...plan, work });
    transfer.begin();
    transfer.done("sha256:b", 4 * MB, "uploaded");
  }
  monitor.transfer({ ...APP, layer: undefined, size: 90 * MB }).done("sha256:e", 90 * MB, "existing");
  for (const id of ["a:b", "a:c"]) monitor.emit({ event: "layer-reused", id, image: "app", diffId: "sha256:d" });
  ticker.pass(1000);
  monitor.emit({ event: "app-image-ready", digest: "sha256:d", tags: [] });
  ticker.pass(500);
  expect(summarize(monitor, undefined)).toEqual({
    made: 1,
    reused: 1,
    readBytes: 20 * MB,
    tarBytes: 10 * MB,
    compressedBytes: 4 * MB,
    sentBytes: 8 * MB,
    appReadyMs: 1000,
    totalMs: 1500,
    heldUp: undefined,
  });
});

const SUMMARY: Summary = {
  made: 1,
  reused: 2,
  readBytes: 20 * MB,
  tarBytes: 10 * MB,
  compressedBytes: 4 * MB,
  sentBytes: 8 * MB,
  appReadyMs: 9_000,
  totalMs: 10_000,
  heldUp: { holdup: { kind: "destination", destination: "reg.example/app" }, part: 0.71 },
};

test("a few lines say it", () => {
  expect(summaryLines(SUMMARY, SETUP)).toEqual([
    "Summary: 1 layer made, 2 reused; read 20.0 MB, compressed 10.0 MB to 4.00 MB, sent 8.00 MB",
    "Summary: app image ready after 9.0s, all done after 10s",
    "Summary: reg.example/app was the limit 71% of the time; -compression-level 5 sends less",
  ]);
});

test("what is not known is not said", () => {
  const unknown = { ...SUMMARY, made: 0, tarBytes: 0, appReadyMs: undefined, heldUp: undefined };
  expect(summaryLines(unknown, SETUP)).toEqual([
    "Summary: 0 layers made, 2 reused; read 20.0 MB, sent 8.00 MB",
    "Summary: all done after 10s",
  ]);
});

const held = (kind: "cores" | "disk" | "answers", part = 0.9): HeldUp => ({ holdup: { kind }, part });

test.each([
  ["cores", { heldUp: held("cores") }, {}, "more cores make it faster"],
  ["cores that are not used", { heldUp: held("cores") }, { cores: 8 }, "-workers 8 uses more cores"],
  [
    "cores for which memory has no room",
    { heldUp: held("cores") },
    { cores: 8, fittingWorkers: 2 },
    "more memory makes room for more workers",
  ],
  [
    "cores of which some have room",
    { heldUp: held("cores") },
    { cores: 8, fittingWorkers: 4 },
    "-workers 4 uses more cores",
  ],
  [
    "cores that the limits of the process have no room for",
    { heldUp: held("cores") },
    { cores: 8, mostWorkers: 2 },
    "higher limits of the process make room for more workers",
  ],
  [
    "cores of which the limits have room for some",
    { heldUp: held("cores") },
    { cores: 8, mostWorkers: 3 },
    "-workers 3 uses more cores",
  ],
  ["cores, at a slow level", { heldUp: held("cores") }, { compressionLevel: 6 }, "-compression-level 1 is faster"],
  ["disk", { heldUp: held("disk") }, {}, "a faster disk for the layers makes it faster"],
  ["answers", { heldUp: held("answers") }, {}, ""],
  ["a registry", {}, {}, "-compression-level 5 sends less"],
  ["a registry, at a high level", {}, { compressionLevel: 6 }, ""],
  ["a registry, with zstd", {}, { compression: "zstd" as const }, ""],
  [
    "a cache after the app image",
    { appReadyMs: 5_000 },
    { parallel: false },
    "-parallel makes the cache beside the app image",
  ],
  ["a small cache after the app image", {}, { parallel: false }, "-compression-level 5 sends less"],
])("what helps against %s", (_what, summary, setup, text) => {
  expect(advice({ ...SUMMARY, ...summary }, { ...SETUP, ...setup })).toBe(text);
});
