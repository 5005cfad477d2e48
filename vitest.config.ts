import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: "./test/support/build-setup.ts",
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/support/tally-reporter.ts"],
    // Threads and registries of several files at once would fight over two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
