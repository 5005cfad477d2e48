import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import LongestFirst from "./test/support/runner/longest-first.ts";

// Threads and programs that the tests start from sources find them compiled; starting a thread takes a third of the
// time.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules", ".cache", "compiled");

export default defineConfig({
  test: {
    globalSetup: "./test/support/runner/global-setup.ts",
    setupFiles: "./test/support/runner/worker-setup.ts",
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/support/runner/tally-reporter.ts"],
    sequence: { sequencer: LongestFirst },
    // Files share their process and its modules, which Node loads as it loads them in production: loading them for each
    // file took longer than most.
    isolate: false,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // By default V8 looks through the whole heap for each 64 MB of buffers: half of the time that verifying an image
    // takes. A larger initial heap would slow down the start of each program, because a fork copies page tables: 22 ms
    // for each 500 MB.
    execArgv: ["--external-memory-accounted-in-global-limit", "--initial-heap-size=128"],
    // Half of the time that files take they wait: for a process, a disk or a silence.
    maxWorkers: availableParallelism() + 3,
    // Only for what hangs: a machine with other work takes many times the seconds of a quiet one.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
