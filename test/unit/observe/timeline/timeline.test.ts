import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { registerSecret } from "../../../../src/errors/secrets.ts";
import { Monitor } from "../../../../src/observe/monitor.ts";
import { TimelineRecorder } from "../../../../src/observe/timeline/recorder.ts";
import { SEVERAL, Series, type Span, SpanList } from "../../../../src/observe/timeline/spans.ts";
import type { Timeline } from "../../../../src/observe/timeline/timeline.ts";
import { traceEvents } from "../../../../src/observe/timeline/trace-events.ts";
import { timelineHtml, writeTimeline } from "../../../../src/observe/timeline/write.ts";
import { ManualClock } from "../../../support/clock.ts";
import { tempTree } from "../../../support/files/temp-tree.ts";

function span(startMs: number, thread = 1, layer = "a:b"): Span {
  return { thread, layer, kind: "build", startMs, endMs: startMs + 5, busyMs: 5, readMs: 1, blocks: 1 };
}

describe("spans", () => {
  test("are kept unchanged while there are few", () => {
    const list = new SpanList(({ thread }) => thread, 10);
    for (let i = 0; i < 10; i += 1) list.add(span(i * 5));
    expect(list.spans).toHaveLength(10);
  });

  test("are merged if consecutive when there are many; no time and no block is lost", () => {
    const list = new SpanList(({ thread }) => thread, 100);
    for (let i = 0; i < 20_000; i += 1) list.add(span(i * 6, i % 4, `a:${Math.floor(i / 5000)}`));
    expect(list.spans.length).toBeLessThanOrEqual(100);
    const sum = (of: (one: Span) => number) => list.spans.reduce((all, one) => all + of(one), 0);
    expect(sum(({ blocks }) => blocks)).toBe(20_000);
    expect(sum(({ busyMs }) => busyMs)).toBe(100_000);
    expect(sum(({ readMs }) => readMs)).toBe(20_000);
    for (const thread of [0, 1, 2, 3]) {
      const own = list.spans.filter((one) => one.thread === thread);
      for (const [i, { endMs }] of own.entries()) expect(own[i + 1]?.startMs ?? endMs).toBeGreaterThanOrEqual(endMs);
    }
  });

  test("of alternating layers are merged into one of several layers, to bound the memory", () => {
    const list = new SpanList(({ thread }) => thread, 50);
    for (let i = 0; i < 20_000; i += 1) list.add(span(i * 6, i % 2, `a:${(i >> 1) % 3}`));
    expect(list.spans.length).toBeLessThanOrEqual(50);
    expect(list.spans[0]).toMatchObject({ layer: SEVERAL, startMs: 0 });
    expect(list.spans.reduce((all, { blocks }) => all + blocks, 0)).toBe(20_000);
  });

  test("of a layer are merged across overlapping threads", () => {
    const list = new SpanList(({ layer }) => layer, 10);
    for (let i = 0; i < 100; i += 1) list.add(span(100 - (i % 2), i, `a:${i % 3}`));
    expect(list.spans.length).toBeLessThanOrEqual(10);
    expect(list.spans[0]).toMatchObject({ layer: "a:0", startMs: 99, endMs: 105 });
  });
});

test("a series thins out its samples as time passes", () => {
  const series = new Series(64);
  for (let i = 0; i < 5000; i += 1)
    series.sample(
      i,
      i < 10
        ? [["a", i]]
        : [
            ["a", i],
            ["b", 1],
          ],
    );
  const { times, values } = series;
  expect(times.length).toBeLessThanOrEqual(64);
  expect(times.length).toBeGreaterThan(16);
  expect(values.get("a")).toEqual(times);
  expect(values.get("b")).toHaveLength(times.length);
  const steps = new Set(times.slice(1).map((ms, i) => ms - (times[i] ?? 0)));
  expect(steps.size).toBe(1);
});

/** A small export of two layers, one of them for both images; the cache's upload of the second fails. */
function recorded(): Timeline {
  const clock = new ManualClock();
  const recorder = new TimelineRecorder(() => 5000, new Date(0));
  const monitor = new Monitor((event) => recorder.event(event), clock.now, recorder);
  monitor.queues.set("blocks", () => 3);
  const stop = recorder.watch(monitor, clock);
  for (const [i, id] of ["a:<b>", "a:c"].entries()) {
    const work = monitor.layer(id);
    work.begin(2048, ["diff-id", "blob"]);
    const [app, cache] = (["app", "cache"] as const).map((image) =>
      monitor.transfer({ destination: `reg.example/${image}`, image, layer: id, work, unit: "blob" }),
    );
    app?.begin();
    cache?.begin();
    clock.pass(100);
    const start = 5000 + i * 100;
    work.block({
      length: 2048,
      outputLength: 100,
      times: { thread: 4, startMs: start, readMs: start + 3, endMs: start + 9 },
    });
    work.digested("diff-id", { thread: 7, startMs: start + 10, endMs: start + 12 });
    work.digested("blob", { thread: 6, startMs: start + 10, endMs: start + 11 });
    work.built({ diffId: "sha256:d", blob: { sha256: "b", size: 110 } });
    app?.reach(110);
    clock.pass(10);
    if (i === 1) app?.done("sha256:b", 110, "uploaded");
    cache?.fail(new Error("refused"));
  }
  monitor.emit({ event: "app-image-ready", digest: "sha256:d", tags: [] });
  clock.pass(5);
  monitor.emit({ event: "error", reason: "no cache" });
  stop();
  return recorder.timeline(monitor, "tandem 0");
}

test("the main thread has one lane, whatever it makes", () => {
  const clock = new ManualClock();
  const recorder = new TimelineRecorder(() => 0, new Date(0));
  const monitor = new Monitor((event) => recorder.event(event), clock.now, recorder);
  const stop = recorder.watch(monitor, clock);
  const work = monitor.layer("a:b");
  work.begin(2048, ["diff-id"]);
  work.block({ length: 2048, outputLength: 0, times: { thread: 0, startMs: 1, readMs: 2, endMs: 3 } });
  work.digested("diff-id", { thread: 0, startMs: 3, endMs: 4 });
  work.digested("diff-id", { thread: 2, startMs: 5, endMs: 6 });
  stop();
  const { lanes, spans } = recorder.timeline(monitor, "tandem 0");
  expect(lanes.map(({ name }) => name)).toEqual(["main", "hash 1"]);
  expect(spans.map(([lane, , kind]) => [lane, kind])).toEqual([
    [0, "build"],
    [0, "diff-id"],
    [1, "diff-id"],
  ]);
});

test("a timeline has a lane for each thread and for each overlapping upload", () => {
  const { lanes, layers, spans, layerSpans, uploads, markers, samples, durationMs, began } = recorded();
  expect({ durationMs, began }).toEqual({ durationMs: 225, began: "1970-01-01T00:00:00.000Z" });
  expect(lanes.map(({ name }) => name)).toEqual([
    "worker 1",
    "hash 1",
    "hash 2",
    "reg.example/app",
    "reg.example/app",
    "reg.example/cache",
  ]);
  expect(layers).toEqual([
    { id: "a:<b>", tarSize: 2048, size: 110, startedMs: 0, hashedMs: 100, compressedMs: 100, isReused: false },
    { id: "a:c", tarSize: 2048, size: 110, startedMs: 110, hashedMs: 210, compressedMs: 210, isReused: false },
  ]);
  expect(spans).toEqual([
    [0, 0, "build", 0, 9, 9, 3, 1],
    [2, 0, "diff-id", 10, 2, 2, 0, 1],
    [1, 0, "blob", 10, 1, 1, 0, 1],
    [0, 1, "build", 100, 9, 9, 3, 1],
    [2, 1, "diff-id", 110, 2, 2, 0, 1],
    [1, 1, "blob", 110, 1, 1, 0, 1],
  ]);
  expect(layerSpans.slice(0, 3)).toEqual([
    [0, "build", 0, 9, 9],
    [0, "diff-id", 10, 2, 2],
    [0, "blob", 10, 1, 1],
  ]);
  expect(uploads.map(({ lane, layer, startMs, endMs, outcome }) => [lane, layer, startMs, endMs, outcome])).toEqual([
    // Never ends, so it lasts to the end of the timeline.
    [3, 0, 0, 225, "failed"],
    [4, 1, 110, 220, "uploaded"],
    [5, 0, 0, 110, "failed"],
    [5, 1, 110, 220, "failed"],
  ]);
  expect(markers).toEqual([
    { name: "app image ready", ms: 220, kind: "app" },
    { name: "failed: no cache", ms: 225, kind: "failure" },
  ]);
  expect(samples.times).toEqual([0, 100, 200]);
  expect(samples.queues).toEqual({ blocks: [3, 3, 3] });
  expect(samples.sent).toEqual({ "reg.example/app": [0, 0, 110], "reg.example/cache": [0, 0, 0] });
});

describe("Chrome's format", () => {
  const { traceEvents: events } = traceEvents(recorded());

  test("names every lane in use", () => {
    const named = new Set(events.flatMap(({ name, pid, tid }) => (name === "thread_name" ? [`${pid} ${tid}`] : [])));
    for (const { ph, pid, tid } of events) if (ph === "X") expect(named).toContain(`${pid} ${tid}`);
    const processes = events.filter(({ name }) => name === "process_name").map(({ args }) => args?.name);
    expect(processes).toEqual(["threads", "uploads", "layers"]);
  });

  test("has times in whole microseconds, none negative, and no spans that overlap in a lane", () => {
    const spans = events.filter(({ ph }) => ph === "X");
    expect(spans.length).toBeGreaterThan(10);
    for (const { ts = -1, dur = -1 } of spans) {
      expect(Number.isInteger(ts) && Number.isInteger(dur)).toBe(true);
      expect(Math.min(ts, dur)).toBeGreaterThanOrEqual(0);
    }
    for (const lane of Map.groupBy(spans, ({ pid, tid }) => `${pid} ${tid}`).values()) {
      const ordered = lane.toSorted((a, b) => (a.ts ?? 0) - (b.ts ?? 0));
      for (const [i, { ts = 0, dur = 0 }] of ordered.entries())
        expect(ordered[i + 1]?.ts ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(ts + dur);
    }
  });

  test("has numeric counters, and markers for all lanes", () => {
    for (const { ph, args = {} } of events)
      if (ph === "C") for (const value of Object.values(args)) expect(value).toBeTypeOf("number");
    expect(events).toContainEqual({ name: "app image ready", ph: "i", s: "g", pid: 1, tid: 0, ts: 220_000 });
  });
});

test("earlier phases have negative times, which a trace shifts to its start", () => {
  const clock = new ManualClock();
  clock.pass(1000);
  const recorder = new TimelineRecorder(clock.now);
  const monitor = new Monitor(() => undefined, clock.now, recorder);
  clock.pass(100);
  const earlier = [{ kind: "phase", name: "build", startMs: 200, endMs: 900 }] as const;
  const timeline = recorder.timeline(monitor, "tandem 0", earlier);
  expect(timeline).toMatchObject({ durationMs: 100, earlier: [{ name: "build", startMs: -800, endMs: -100 }] });
  const { traceEvents: events } = traceEvents(timeline);
  expect(events).toContainEqual(expect.objectContaining({ name: "build", ts: 0, dur: 700_000, cat: "phase" }));
  for (const { ts = 0 } of events) expect(ts).toBeGreaterThanOrEqual(0);
});

test("the page embeds the timeline as data that no name can escape from", () => {
  const html = timelineHtml(recorded(), "<p><!-- timeline --></p>");
  const [, data = ""] = /^<p><script type="application\/json" id="timeline">([^<]*)<\/script><\/p>$/.exec(html) ?? [];
  expect(JSON.parse(data)).toEqual(JSON.parse(JSON.stringify(recorded())));
});

test.each(["timeline.html", "timeline.json"])("%s does not show a secret that an error repeats", async (name) => {
  registerSecret("secret-of-a-timeline");
  const recorder = new TimelineRecorder();
  const monitor = new Monitor((event) => recorder.event(event));
  monitor.emit({ event: "error", reason: "you sent secret-of-a-timeline" });
  const path = join(tempTree(), name);
  await writeTimeline(path, recorder.timeline(monitor, "tandem"), () => "<!-- timeline -->", 0);
  expect(readFileSync(path, "utf8")).toContain("you sent [redacted]");
});
