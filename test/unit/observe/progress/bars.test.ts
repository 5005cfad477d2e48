import stringWidth from "string-width";
import { expect, test } from "vitest";
import { drawBars } from "../../../../src/observe/progress/bars.ts";
import type { DestinationProgress, LayerProgress } from "../../../../src/observe/progress/meters.ts";

const PLAIN = { isColored: false, isUnicode: false };

const LAYERS: readonly LayerProgress[] = [
  {
    id: "paketo-buildpacks/bellsoft-liberica:jre",
    tarSize: 173e6,
    doing: "compressing",
    fraction: 0.45,
    bytesPerSecond: 312e6,
  },
  { id: "paketo-buildpacks/maven:cache", tarSize: undefined, doing: "waiting", fraction: 0, bytesPerSecond: 0 },
];

const APP: DestinationProgress = {
  destination: "registry.example.com/me/app",
  image: "app",
  sentBytes: 42e6,
  expectedBytes: 84e6,
  fraction: 0.5,
  bytesPerSecond: 8.4e6,
  secondsLeft: 5,
  isDone: false,
};

test("one line per layer and one per destination", () => {
  expect(drawBars(LAYERS, [APP], { columns: 120, rows: 24 }, PLAIN).split("\n")).toEqual([
    "paketo-buildpacks/bellsoft-liberica:jre  45% compressing   173 MB #########...........   312 MB/s",
    "paketo-buildpacks/maven:cache                waiting",
    "> registry.example.com/me/app            50% app image    42.0 MB ##########..........  8.40 MB/s    5.0s left",
  ]);
});

test.each([
  [88, "~dpacks/bellsoft-liberica:jre  45% compressing   173 MB #########...........   312 MB/s"],
  [74, "~cks/bellsoft-liberica:jre  45% compressing   173 MB #########..........."],
  [46, "~lsoft-liberica:jre  45% compressing   173 MB"],
  [40, "~bellsoft-liberica:jre  45% compressing"],
  [12, "~berica:jre"],
])("in %i columns less important parts are omitted", (columns, line) => {
  expect(drawBars(LAYERS.slice(0, 1), [], { columns, rows: 24 }, PLAIN)).toBe(line);
});

test("every line is narrower than the terminal, at any width", () => {
  for (const style of [PLAIN, { isColored: true, isUnicode: true }])
    for (let columns = 1; columns <= 130; columns += 1)
      for (const line of drawBars(LAYERS, [APP], { columns, rows: 24 }, style).split("\n"))
        expect(stringWidth(line), `${columns} columns: ${line}`).toBeLessThanOrEqual(Math.max(1, columns - 1));
});

test("there are fewer lines than rows, and the rest is counted", () => {
  const many = Array.from(
    { length: 500 },
    (_, i): LayerProgress => ({ ...(LAYERS[0] as LayerProgress), id: `a:${i}` }),
  );
  for (let rows = 1; rows < 60; rows += 1) {
    const lines = drawBars(many, [APP], { columns: 100, rows }, PLAIN).split("\n");
    expect(lines.length).toBeLessThan(Math.max(2, rows));
    expect(lines.length).toBeLessThanOrEqual(17);
  }
  expect(drawBars(many, [APP], { columns: 100, rows: 8 }, PLAIN).split("\n")).toMatchObject([
    expect.stringMatching(/^a:0/),
    expect.stringMatching(/^a:1/),
    expect.stringMatching(/^a:2/),
    expect.stringMatching(/^a:3/),
    "... and 496 more layers",
    expect.stringMatching(/registry.example.com/),
  ]);
});

test("done or idle layers and destinations have no line", () => {
  const size = { columns: 100, rows: 24 };
  expect(
    drawBars(
      [],
      [
        { ...APP, isDone: true },
        { ...APP, expectedBytes: 0 },
      ],
      size,
      PLAIN,
    ),
  ).toBe("");
});

test("names cannot move the cursor or reorder the line, and wide characters count by their width", () => {
  const [layer] = LAYERS as [LayerProgress];
  const drawn = drawBars(
    [
      { ...layer, id: "a\u001b[2J\n\u202eb" },
      { ...layer, id: "層:層" },
    ],
    [],
    { columns: 100, rows: 24 },
    PLAIN,
  );
  expect(drawn.split("\n").map((line) => line.split("  ")[0])).toEqual(["a\\x1b[2J\\n\\u202eb", "層:層"]);
  expect(drawn.split("\n").map((line) => stringWidth(line.slice(0, line.indexOf("45%"))))).toEqual([19, 19]);
});

test("colors appear only if requested", () => {
  const size = { columns: 120, rows: 24 };
  expect(drawBars(LAYERS, [APP], size, PLAIN)).not.toContain("\u001b");
  expect(drawBars(LAYERS, [APP], size, { isColored: true, isUnicode: true })).toContain("\u001b[32m━");
});
