import { expect, test } from "vitest";
import { arenaNeeds } from "../../../src/engine/compression.ts";
import { slotCount } from "../../../src/engine/slots.ts";
import { boundWorkers, defaultWorkers, MAX_WORKERS, type Machine } from "../../../src/process/machine.ts";
import { type Compression, createArena, DEFLATE } from "../../../workers/protocol.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

const MIB = 1 << 20;

function machine(cores: number, mebibytes?: number): Machine {
  const memory = mebibytes === undefined ? undefined : { bytes: mebibytes * MIB, path: "/sys/fs/cgroup/memory.max" };
  return { cores, memory, tempDir: "/tmp" };
}

function bound(wanted: number, on: Machine) {
  const logger = new RecordingLogger();
  return { workers: boundWorkers(wanted, on, logger), lines: logger.lines };
}

test.each([
  ["64 cores and no limit", 64, undefined, 64],
  ["64 cores and memory for all of them", 64, 4096, 64],
  ["64 cores and 512 MiB", 64, 512, 20],
  ["64 cores and 256 MiB", 64, 256, 4],
  ["less memory than an export needs", 64, 100, 1],
  ["2 cores and 512 MiB", 2, 512, 2],
  ["more cores than workers are possible", 4096, undefined, MAX_WORKERS],
])("by default: %s", (_name, cores, mebibytes, expected) => {
  expect(defaultWorkers(machine(cores, mebibytes))).toBe(expected);
});

test("a default limited by memory is one debug line", () => {
  const on = machine(64, 512);
  expect(bound(defaultWorkers(on), on)).toEqual({
    workers: 20,
    lines: [
      "debug Using 20 workers on 64 cores because of the available memory of 512 MiB (/sys/fs/cgroup/memory.max)",
    ],
  });
});

test.each([
  ["a default that memory allows", 64, machine(64, 4096)],
  ["an explicit number that memory just allows", 20, machine(2, 512)],
  ["an explicit number while memory is unknown", 64, machine(2)],
])("logs nothing for %s", (_name, wanted, on) => {
  expect(bound(wanted, on)).toEqual({ workers: wanted, lines: [] });
});

test("an explicit number that memory does not allow is reduced with a warning", () => {
  expect(bound(64, machine(2, 512))).toEqual({
    workers: 20,
    lines: ["warn -workers 64 exceeds the available memory of 512 MiB (/sys/fs/cgroup/memory.max): using 20"],
  });
});

test.each(["gzip", "zstd"] as const)(
  "the maximum of workers fits into the memory of a WebAssembly module: %s",
  (kind) => {
    const { memory } = createArena(slotCount(MAX_WORKERS), MAX_WORKERS, arenaNeeds({ kind, level: 1 } as Compression));
    expect(memory.buffer.byteLength / 65_536).toBeLessThanOrEqual(DEFLATE.maxMemoryPages);
  },
);
