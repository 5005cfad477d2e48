import { describe, expect, test } from "vitest";
import { AXIS_HEIGHT, buildRows, heightOf } from "../../../../../src/observe/timeline/page/rows.ts";
import { detailsAt, View } from "../../../../../src/observe/timeline/page/view.ts";
import type { Timeline } from "../../../../../src/observe/timeline/timeline.ts";

const TIMELINE: Timeline = {
  program: "tandem 0",
  began: "1970-01-01T00:00:00.000Z",
  durationMs: 1000,
  lanes: [
    { name: "worker 1", group: "threads" },
    { name: "reg.example/app", group: "uploads" },
    { name: "reg.example/app", group: "uploads" },
  ],
  layers: [
    { id: "a:late", tarSize: 2e6, size: 0, startedMs: 500, hashedMs: 600, compressedMs: undefined, isReused: true },
    { id: "a:b", tarSize: 2e6, size: 1e6, startedMs: 100, hashedMs: 200, compressedMs: 200, isReused: false },
  ],
  spans: [
    [0, 1, "build", 100, 50, 40, 10, 2],
    [0, 0, "build", 500, 100, 100, 100, 1],
  ],
  layerSpans: [
    [1, "build", 100, 50, 40],
    [0, "build", 500, 100, 100],
  ],
  uploads: [
    {
      lane: 1,
      layer: 1,
      destination: "reg.example/app",
      image: "app",
      startMs: 200,
      endMs: 400,
      sentBytes: 1e6,
      outcome: "uploaded",
    },
    {
      lane: 2,
      layer: -1,
      destination: "reg.example/app",
      image: "app",
      startMs: 200,
      endMs: 300,
      sentBytes: 5e5,
      outcome: "uploaded",
    },
  ],
  markers: [{ name: "app image ready", ms: 900, kind: "app" }],
  earlier: [],
  samples: {
    times: [0, 500, 1000],
    queues: { blocks: [0, 4, 0] },
    sent: { "reg.example/app": [0, 1e6, 1.5e6] },
  },
};

const rows = buildRows(TIMELINE);

/** A view of everything in 1100 pixels, 100 of them for names: one pixel per ms. */
function view(): View {
  const all = new View(1000);
  [all.left, all.width] = [100, 1100];
  return all;
}

/** A y coordinate in the middle of the row with this label. */
function middleOf(label: string, nth = 0): number {
  let y = AXIS_HEIGHT;
  let found = 0;
  for (const row of rows) {
    if (row.label === label && found++ === nth) return y + heightOf(row) / 2;
    y += heightOf(row);
  }
  throw new Error(`no row ${label}`);
}

test("rows: threads, uploads labeled once per destination, charts, then layers in order of start", () => {
  expect(rows.map(({ label }) => label)).toEqual([
    "Threads",
    "worker 1",
    "Uploads",
    "reg.example/app",
    "",
    "Queues and upload speed",
    "queues",
    "speed",
    "Layers",
    "a:b",
    "a:late",
  ]);
});

test("the build before an export has lanes above, with times below zero, and the view begins with it", () => {
  const earlier = [
    { kind: "phase", name: "build", startMs: -500, endMs: -10 },
    { kind: "layer", name: "a:b", startMs: -300, endMs: -200 },
  ] as const;
  const lanes = buildRows({ ...TIMELINE, earlier }).slice(0, 4);
  expect(lanes.map(({ label }) => label)).toEqual(["Build", "phases", "layers built early", "Threads"]);
  expect(lanes[1]).toMatchObject({ bars: [{ startMs: -500, endMs: -10, text: "build" }] });
  const all = new View(1000, -500);
  [all.left, all.width] = [0, 1500];
  expect([all.xOf(-500), all.xOf(1000)]).toEqual([0, 1500]);
  all.zoom(0.5, 0);
  all.move(-1e6);
  expect(all.fromMs).toBe(-500);
  all.move(1e6);
  expect(all.toMs).toBe(1000);
});

test("the bars of a lane are ordered by start, and each lies within its row", () => {
  for (const row of rows) {
    if (row.kind !== "lane") continue;
    const starts = row.bars.map(({ startMs }) => startMs);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    for (const { startMs, endMs, top, bottom } of row.bars) {
      expect(endMs).toBeGreaterThanOrEqual(startMs);
      expect([top >= 0, top < bottom, bottom <= 1]).toEqual([true, true, true]);
    }
  }
});

test("merged blocks show the share of reading first", () => {
  const worker = rows[1];
  expect(worker?.kind === "lane" && worker.bars.map(({ color, startMs, endMs }) => [color, startMs, endMs])).toEqual([
    ["read", 100, 112.5],
    ["compress", 112.5, 150],
    ["read", 500, 600],
    ["compress", 600, 600],
  ]);
});

describe("pointing at", () => {
  test.each([
    ["worker 1", 240, "a:b\nread 10.0 ms, compress 30.0 ms\n2 MiB blocks\n50.0 ms, from 100 ms to 150 ms"],
    ["worker 1", 450, undefined],
    ["reg.example/app", 350, "a:b\nuploaded to reg.example/app\n1.00 MB, 5.00 MB/s\n200 ms, from 200 ms to 400 ms"],
    ["", 350, "run image layer\nuploaded to reg.example/app\n500 kB, 5.00 MB/s\n100 ms, from 200 ms to 300 ms"],
    ["queues", 700, "600 ms\nwaiting blocks: 4"],
    ["speed", 700, "600 ms\nreg.example/app: 2.00 MB/s"],
    ["a:b", 50, "a:b"],
    ["a:b", 275, "a:b\n2.00 MB, compressed 1.00 MB\n300 ms, from 100 ms to 400 ms"],
    ["Threads", 300, undefined],
  ])("%s at %i", (label, x, text) => {
    expect(detailsAt(rows, view(), 0, x, middleOf(label) - (label === "a:b" ? 1 : 0))).toBe(text);
  });

  test("scrolled rows", () => {
    expect(detailsAt(rows, view(), 50, 350, middleOf("reg.example/app") - 50)).toContain("a:b");
    expect(detailsAt(rows, view(), 0, 350, AXIS_HEIGHT - 1)).toBeUndefined();
  });
});

describe("a view", () => {
  test("zooms around the pointer", () => {
    const zoomed = view();
    const ms = zoomed.msAt(400);
    for (let i = 0; i < 10; i += 1) zoomed.zoom(0.5, 400);
    expect(zoomed.msAt(400)).toBeCloseTo(ms);
    expect(zoomed.toMs - zoomed.fromMs).toBeCloseTo(1000 / 1024);
  });

  test("shows nothing before the start and after the end, and limits the zoom", () => {
    const moved = view();
    moved.zoom(9);
    expect([moved.fromMs, moved.toMs]).toEqual([0, 1000]);
    moved.zoom(0.5, 100);
    moved.move(-5000);
    expect([moved.fromMs, moved.toMs]).toEqual([0, 500]);
    moved.move(99_999);
    expect([moved.fromMs, moved.toMs]).toEqual([500, 1000]);
    for (let i = 0; i < 100; i += 1) moved.zoom(0.5);
    expect(moved.toMs - moved.fromMs).toBeGreaterThanOrEqual(0.02 - 1e-9);
    moved.showAll();
    expect([moved.fromMs, moved.toMs]).toEqual([0, 1000]);
  });

  test("shows a range, whichever end comes first", () => {
    const shown = view();
    shown.showRange(700, 200);
    expect([shown.fromMs, shown.toMs]).toEqual([200, 700]);
    expect(shown.xOf(450)).toBeCloseTo(600);
  });
});
