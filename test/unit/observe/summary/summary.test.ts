import { describe, expect, test } from "vitest";
import { Monitor } from "../../../../src/observe/monitor.ts";
import { Activity, type Bottleneck } from "../../../../src/observe/summary/activity.ts";
import { advice, type Setup, type Summary, summarize, summaryLines } from "../../../../src/observe/summary/summary.ts";
import { ManualClock } from "../../../support/clock.ts";

const MB = 1e6;
const APP = { destination: "reg.example/app", image: "app", layer: "a:b", unit: "blob" } as const;
const CACHE = { ...APP, destination: "reg.example/cache", image: "cache" } as const;
const SETUP: Setup = {
  workers: 2,
  fittingWorkers: 50,
  maxWorkers: 50,
  cores: 2,
  compression: "gzip",
  compressionLevel: 1,
  parallel: true,
};

function watched() {
  const clock = new ManualClock();
  const monitor = new Monitor(() => undefined, clock.now);
  const cpu = { ms: 0 };
  const activity = new Activity(monitor, 2, () => cpu.ms);
  return { clock, monitor, cpu, activity, stop: activity.watch(clock) };
}

describe("the bottleneck of an export", () => {
  test("is unknown if the export was too short", () => {
    const { clock, activity } = watched();
    clock.pass(100);
    expect(activity.bottleneck).toBeUndefined();
  });

  test("is the CPU while blocks are built and nothing waits to be sent", () => {
    const { clock, monitor, activity, cpu } = watched();
    monitor.layer("a:b").begin(9 * MB, ["diff-id", "blob"]);
    cpu.ms = 450;
    clock.pass(250);
    expect(activity.bottleneck).toEqual({ constraint: { kind: "cores" }, share: 1 });
  });

  test("is the disk while threads read and cores are free", () => {
    const { clock, monitor, activity, cpu } = watched();
    const work = monitor.layer("a:b");
    work.begin(9 * MB, ["diff-id", "blob"]);
    work.block({ length: MB, outputLength: 1, times: { thread: 1, startMs: 0, readMs: 240, endMs: 245 } });
    cpu.ms = 20;
    clock.pass(250);
    expect(activity.bottleneck?.constraint).toEqual({ kind: "disk" });
  });

  test("is the app image's destination while it has a backlog, even during compression", () => {
    const { clock, monitor, activity } = watched();
    const work = monitor.layer("a:b");
    work.begin(9 * MB, ["diff-id", "blob"]);
    monitor.transfer({ ...CACHE, size: 9 * MB }).begin();
    const app = monitor.transfer({ ...APP, work });
    app.begin();
    work.block({ length: 5 * MB, outputLength: 3 * MB, times: { thread: 1, startMs: 0, readMs: 1, endMs: 9 } });
    app.reach(MB);
    clock.pass(750);
    app.done("sha256:d", 3 * MB, "uploaded");
    clock.pass(250);
    expect(activity.bottleneck).toEqual({
      constraint: { kind: "destination", destination: "reg.example/app" },
      share: 0.75,
    });
  });

  test("is the cache's destination while only that has a backlog", () => {
    const { clock, monitor, activity } = watched();
    monitor.transfer({ ...CACHE, size: 9 * MB }).begin();
    clock.pass(250);
    expect(activity.bottleneck?.constraint).toEqual({ kind: "destination", destination: "reg.example/cache" });
  });

  test("is responses while nothing else runs, and nothing counts after the end", () => {
    const { clock, monitor, activity, stop } = watched();
    clock.pass(250);
    stop();
    monitor.layer("a:b").begin(MB, ["diff-id"]);
    clock.pass(9000);
    expect(activity.bottleneck).toEqual({ constraint: { kind: "answers" }, share: 1 });
  });
});

test("the summary adds up a monitor's counters; a layer both reused and built counts as built", () => {
  const { clock, monitor } = watched();
  const work = monitor.layer("a:b");
  work.begin(10 * MB, ["diff-id"]);
  work.block({ length: 10 * MB, outputLength: 0, times: { thread: 1, startMs: 0, readMs: 1, endMs: 2 } });
  work.begin(10 * MB, ["blob"]);
  work.block({ length: 10 * MB, outputLength: 4 * MB, times: { thread: 1, startMs: 0, readMs: 1, endMs: 2 } });
  work.built({ diffId: undefined, blob: { sha256: "b", size: 4 * MB } });
  for (const plan of [APP, CACHE]) {
    const transfer = monitor.transfer({ ...plan, work });
    transfer.begin();
    transfer.done("sha256:b", 4 * MB, "uploaded");
  }
  monitor.transfer({ ...APP, layer: undefined, size: 90 * MB }).done("sha256:e", 90 * MB, "existing");
  for (const id of ["a:b", "a:c"]) monitor.emit({ event: "layer-reused", id, image: "app", diffId: "sha256:d" });
  clock.pass(1000);
  monitor.emit({ event: "app-image-ready", digest: "sha256:d", tags: [] });
  clock.pass(500);
  expect(summarize(monitor, undefined)).toEqual({
    made: 1,
    reused: 1,
    readBytes: 20 * MB,
    tarBytes: 10 * MB,
    compressedBytes: 4 * MB,
    sentBytes: 8 * MB,
    earlyLayers: 0,
    earlyBytes: 0,
    earlyWastedBytes: 0,
    appReadyMs: 1000,
    totalMs: 1500,
    bottleneck: undefined,
  });
});

const SUMMARY: Summary = {
  made: 1,
  reused: 2,
  readBytes: 20 * MB,
  tarBytes: 10 * MB,
  compressedBytes: 4 * MB,
  sentBytes: 8 * MB,
  earlyLayers: 0,
  earlyBytes: 0,
  earlyWastedBytes: 0,
  appReadyMs: 9_000,
  totalMs: 10_000,
  bottleneck: { constraint: { kind: "destination", destination: "reg.example/app" }, share: 0.71 },
};

test("the summary is three lines", () => {
  expect(summaryLines(SUMMARY, SETUP)).toEqual([
    "Summary: 1 layer built, 2 reused; read 20.0 MB, compressed 10.0 MB to 4.00 MB, sent 8.00 MB",
    "Summary: app image ready after 9.0s, done after 10s",
    "Summary: bottleneck: reg.example/app (71% of the time); use -compression-level 5 to send less",
  ]);
});

test("the summary reports layers ready before the build ended and bytes sent in vain", () => {
  const monitor = new Monitor();
  const blob = { sha256: "b", size: 4 * MB };
  monitor.layer("a:b").builtEarly({ diffId: "sha256:d", tarSize: 10 * MB, blob }, true);
  monitor.layer("begun:only").builtEarly({ diffId: "sha256:e", tarSize: 7 * MB, blob: undefined }, false);
  const summary = summarize(monitor, undefined);
  expect(summary).toMatchObject({
    made: 1,
    readBytes: 0,
    compressedBytes: 4 * MB,
    earlyLayers: 1,
    earlyBytes: 10 * MB,
  });
  expect(summaryLines(summary, SETUP)[1]).toBe("Summary: 1 layer was ready before the build ended (10.0 MB)");
  expect(summaryLines({ ...SUMMARY, earlyLayers: 2, earlyBytes: MB, earlyWastedBytes: 3 * MB }, SETUP)[1]).toBe(
    "Summary: 2 layers were ready before the build ended (1.00 MB); sent 3.00 MB of layers that changed later",
  );
});

test("the summary omits unknown values", () => {
  const unknown = { ...SUMMARY, made: 0, tarBytes: 0, appReadyMs: undefined, bottleneck: undefined };
  expect(summaryLines(unknown, SETUP)).toEqual([
    "Summary: 0 layers built, 2 reused; read 20.0 MB, sent 8.00 MB",
    "Summary: done after 10s",
  ]);
});

const held = (kind: "cores" | "disk" | "answers", share = 0.9): Bottleneck => ({ constraint: { kind }, share });

test.each([
  ["cores", { bottleneck: held("cores") }, {}, "add cores to compress faster"],
  ["unused cores", { bottleneck: held("cores") }, { cores: 8 }, "use -workers 8 to use more cores"],
  [
    "cores that memory does not allow",
    { bottleneck: held("cores") },
    { cores: 8, fittingWorkers: 2 },
    "add memory to allow more workers",
  ],
  [
    "cores of which memory allows some",
    { bottleneck: held("cores") },
    { cores: 8, fittingWorkers: 4 },
    "use -workers 4 to use more cores",
  ],
  [
    "cores that the process's limits do not allow",
    { bottleneck: held("cores") },
    { cores: 8, maxWorkers: 2 },
    "raise the process's limits to allow more workers",
  ],
  [
    "cores of which the limits allow some",
    { bottleneck: held("cores") },
    { cores: 8, maxWorkers: 3 },
    "use -workers 3 to use more cores",
  ],
  [
    "cores, at a slow level",
    { bottleneck: held("cores") },
    { compressionLevel: 6 },
    "use -compression-level 1 to compress faster",
  ],
  ["disk", { bottleneck: held("disk") }, {}, "use a faster disk for the layers"],
  ["answers", { bottleneck: held("answers") }, {}, ""],
  ["a registry", {}, {}, "use -compression-level 5 to send less"],
  ["a registry, at a high level", {}, { compressionLevel: 6 }, ""],
  ["a registry, with zstd", {}, { compression: "zstd" as const }, ""],
  ["a registry, for incompressible layers", { compressedBytes: 9.5 * MB }, {}, ""],
  ["a registry, without new layers", { tarBytes: 0, compressedBytes: 0 }, {}, ""],
  [
    "a cache after the app image",
    { appReadyMs: 5_000 },
    { parallel: false },
    "use -parallel to export the cache alongside the app image",
  ],
  ["a small cache after the app image", {}, { parallel: false }, "use -compression-level 5 to send less"],
])("the advice against %s", (_what, summary, setup, text) => {
  expect(advice({ ...SUMMARY, ...summary }, { ...SETUP, ...setup })).toBe(text);
});
