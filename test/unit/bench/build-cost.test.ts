import { expect, test } from "vitest";
import { compareSteps } from "../../bench/build-cost.ts";
import { describeBuildCost } from "../../bench/report.ts";

test("only steps that lie in one window are compared", () => {
  const windows = [
    { isRunning: true, startMs: 0, endMs: 100 },
    { isRunning: false, startMs: 100, endMs: 200 },
  ];
  const step = (startMs: number, endMs: number, cpuMs: number) => ({ startMs, endMs, cpuMs });
  const steps = [step(0, 22, 10), step(50, 72, 10), step(72, 180, 500), step(110, 130, 8), step(190, 210, 500)];
  const { wall, cpu } = compareSteps(steps, windows);
  expect([wall, cpu]).toEqual([expect.closeTo(0.1), expect.closeTo(0.25)]);
});

test("the report has the interval of the median over the builds", () => {
  const runs = [1, 2, 3, 4, 5, 6].map((n) => ({ wall: n / 1000, cpu: -n / 1000, takenShare: 0.01 }));
  const text = describeBuildCost({ date: "2026-01-01", commit: "abc", sizeFactor: 1, runs });
  expect(text).toContain("take 0.4% (0.1 to 0.6) longer and -0.4% (-0.6 to -0.1) more\nCPU time");
  expect(text).toContain("6 builds");
});
