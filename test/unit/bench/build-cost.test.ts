import { expect, test } from "vitest";
import { compareSteps } from "../../bench/creator/build-cost.ts";
import { describeBuildCost } from "../../bench/report/report.ts";

test("only steps that lie in one window are compared", () => {
  const windows = [
    { isRunning: true, startMs: 0, endMs: 100 },
    { isRunning: false, startMs: 100, endMs: 200 },
  ];
  const step = (startMs: number, endMs: number, cpuMs: number) => ({ startMs, endMs, cpuMs });
  const steps = [step(0, 24, 13), step(50, 74, 13), step(74, 180, 500), step(110, 130, 10), step(190, 210, 500)];
  const { waiting, cpu } = compareSteps(steps, windows);
  expect([waiting, cpu]).toEqual([expect.closeTo(0.05), expect.closeTo(0.15)]);
});

test("the report has the interval of the median over the pairs of builds", () => {
  const runs = [1, 2, 3, 4, 5, 6].map((n) => ({ waiting: n / 1000, cpu: -n / 1000, takenShare: 0.01 }));
  const text = describeBuildCost({ date: "2026-01-01", commit: "abc", sizeFactor: 1, runs });
  expect(text).toContain(
    "wait for a core 0.4% (0.1 to 0.6) of their time, and\ntake -0.4% (-0.6 to -0.1) more CPU time",
  );
  expect(text).toContain("6 pairs of builds");
});
