import { describe, expect, test } from "vitest";
import {
  capacityLeft,
  connectionsFor,
  fitCapacity,
  guardAddresses,
  type ProcessLimits,
  readProcessLimits,
} from "../../../src/export/capacity.ts";
import { advice, type Summary } from "../../../src/observe/summary/summary.ts";
import { setupOf } from "../../../src/observe/watch.ts";
import type { Tuning } from "../../../src/plan/inputs.ts";
import { thrownBy } from "../../support/thrown-by.ts";

const WANTED = { workers: 8, uploadConcurrency: 8 };

const CPU_BOUND: Summary = {
  made: 1,
  reused: 0,
  readBytes: 0,
  tarBytes: 0,
  compressedBytes: 0,
  sentBytes: 0,
  earlyLayers: 0,
  earlyBytes: 0,
  earlyWastedBytes: 0,
  appReadyMs: 9_000,
  totalMs: 10_000,
  bottleneck: { constraint: { kind: "cores" }, share: 0.9 },
};

function limits(rest: Partial<ProcessLimits> = {}): ProcessLimits {
  const none = { used: 0 };
  return { openFiles: none, addressSpace: none, data: none, threads: none, ...rest };
}

test("without limits everything wanted is granted", () => {
  expect(fitCapacity(WANTED, limits())).toEqual({
    ...WANTED,
    maxWorkers: 8,
    uploadThreads: 2,
    spools: Number.POSITIVE_INFINITY,
  });
});

test("limits that do not allow one worker now leave no capacity", () => {
  const threads = { limit: 100, used: 98 };
  expect(() => fitCapacity(WANTED, limits({ threads }))).toThrow(
    "this process may have 100 processes and threads, and the export needs 102",
  );
  expect(capacityLeft(WANTED, limits({ threads }))).toBeUndefined();
  expect(capacityLeft(WANTED, limits())).toEqual(fitCapacity(WANTED, limits()));
});

describe("a limit bounds", () => {
  test.each([
    [
      "workers, uploads and spools at the minimum of descriptors",
      60,
      { workers: 1, maxWorkers: 1, uploadConcurrency: 1, uploadThreads: 0, spools: 2 },
    ],
    ["uploads after workers", 102, { workers: 8, maxWorkers: 8, uploadConcurrency: 1, uploadThreads: 0, spools: 2 }],
    ["spools only", 138, { workers: 8, maxWorkers: 8, uploadConcurrency: 8, uploadThreads: 0, spools: 6 }],
  ])("%s (%i open files)", (_, limit, expected) => {
    expect(fitCapacity(WANTED, limits({ openFiles: { limit, used: 22 } }))).toEqual(expected);
  });

  test.each([
    ["addressSpace", 10.4e9],
    ["data", 1.7e9],
    ["threads", 12],
  ] as const)("the threads that upload before the workers (%s)", (name, limit) => {
    const capacity = fitCapacity(WANTED, limits({ [name]: { limit, used: 0 } }));
    const more = fitCapacity(WANTED, limits({ [name]: { limit: 1.5 * limit, used: 0 } }));
    expect(capacity).toMatchObject({ workers: 8, uploadConcurrency: 8, uploadThreads: 0 });
    expect(more).toMatchObject({ workers: 8, uploadConcurrency: 8, uploadThreads: 2 });
  });

  test.each([
    ["addressSpace", 8e9],
    ["data", 1e9],
    ["threads", 7],
  ] as const)("workers (%s)", (name, limit) => {
    const { workers, uploadConcurrency } = fitCapacity(WANTED, limits({ [name]: { limit, used: 0 } }));
    expect(workers).toBeGreaterThan(1);
    expect(workers).toBeLessThan(8);
    expect(uploadConcurrency).toBe(8);
  });

  test("workers to fewer where Node reserves guard regions", () => {
    const limit = 20e9;
    const workersWith = (...nodeOptions: string[]) =>
      fitCapacity(WANTED, limits({ addressSpace: { limit, used: guardAddresses(limit, nodeOptions) } })).workers;
    expect(workersWith("--disable-wasm-trap-handler")).toBe(8);
    expect(workersWith()).toBe(3);
  });
});

test("the summary judges the workers that the limits allow, not those requested", () => {
  const tuning = { workers: 8, fittingWorkers: 20, compression: "gzip", compressionLevel: 6 } as Tuning;
  const { workers, maxWorkers } = fitCapacity({ ...WANTED, ...tuning }, limits({ threads: { limit: 5, used: 0 } }));
  const setup = setupOf({ tuning, parallel: true }, { workers, maxWorkers }, 4);
  expect(setup).toMatchObject({ workers: 2, maxWorkers: 2, fittingWorkers: 20 });
  expect(advice(CPU_BOUND, setup)).toBe("raise the process's limits to allow more workers");
});

test.each([
  [2, 12],
  [8, 12],
])("the limits allow the same workers, whether %i are requested or more", (workers, maxWorkers) => {
  const limited = limits({ threads: { limit: 16, used: 0 } });
  const capacity = fitCapacity({ ...WANTED, workers, fittingWorkers: 20 }, limited);
  expect(capacity).toMatchObject({ workers, maxWorkers });
});

test.each([
  [
    "openFiles",
    "EXPORT_LIMIT_OPEN_FILES",
    /^this process may have 30 open files, and the export needs \d+$/,
    "ulimit -n",
  ],
  ["addressSpace", "EXPORT_LIMIT_ADDRESS_SPACE", /30 bytes of address space/, "ulimit -v"],
  ["data", "EXPORT_LIMIT_DATA", /30 bytes of data/, "ulimit -d"],
  ["threads", "EXPORT_LIMIT_THREADS", /30 processes and threads/, "pids.max"],
] as const)("a limit of %s below the least is an error that names it", (name, code, message, hint) => {
  const limited = limits({ [name]: { limit: 30, used: 29 } });
  expect(thrownBy(() => fitCapacity(WANTED, limited))).toMatchObject({
    code,
    message: expect.stringMatching(message),
    hint: expect.stringContaining(hint),
    exitCode: 62,
  });
});

test.each([
  [5, 0],
  [6, 2],
])("%i workers want %i threads that upload", (workers, uploadThreads) => {
  expect(fitCapacity({ ...WANTED, workers }, limits())).toMatchObject({ uploadThreads });
});

test("there are more connections than uploads, so that a blob can be read from the registry that it is pushed to", () => {
  for (const uploads of [1, 2, 8]) expect(connectionsFor(uploads)).toBeGreaterThanOrEqual(2 * uploads + 2);
});

test("this process has descriptors and memory", () => {
  const { openFiles, addressSpace, data } = readProcessLimits();
  for (const { used } of [openFiles, addressSpace, data]) expect(used).toBeGreaterThan(0);
});
