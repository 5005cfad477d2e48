import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readCpuProfile } from "../../bench/profile/cpu-profile.ts";
import { tempTree } from "../../support/files/temp-tree.ts";

const frame = (functionName: string, url = "") => ({ functionName, url, lineNumber: 9 });

test("self times are summed by function, waiting apart", () => {
  const path = join(tempTree(), "CPU.20260101.000000.77.3.002.cpuprofile");
  const profile = {
    nodes: [
      { id: 1, callFrame: frame("(idle)") },
      { id: 2, callFrame: frame("encode", "file:///src/block.ts") },
      { id: 3, callFrame: frame("atomicsWaitLoop", "file:///piscina/worker.js") },
      { id: 4, callFrame: frame("") },
      { id: 5, callFrame: frame("encode", "file:///src/block.ts") },
    ],
    samples: [1, 2, 3, 4, 5],
    timeDeltas: [1000, 2000, 4000, 1000, 3000],
  };
  writeFileSync(path, JSON.stringify(profile));
  expect(readCpuProfile(path)).toEqual({
    thread: 3,
    busyMs: 6,
    idleMs: 5,
    selfTimes: [
      { name: "encode block.ts:10", ms: 5 },
      { name: "(anonymous)", ms: 1 },
    ],
  });
});
