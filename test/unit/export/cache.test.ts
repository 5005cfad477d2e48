import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { CacheStore } from "../../../src/caches/cache.ts";
import { EMPTY_CACHE_METADATA } from "../../../src/cnb/lifecycle-metadata.ts";
import { awaitedLater } from "../../../src/concurrency/task-scope.ts";
import { exportCache } from "../../../src/export/cache.ts";
import type { ExportContext } from "../../../src/export/context.ts";
import type { Preparation } from "../../../src/export/prepare.ts";
import { Monitor } from "../../../src/observe/monitor.ts";
import { planApp } from "../../../src/plan/app.ts";
import { buildpack, layer, planInputs } from "../../support/build/plan-inputs.ts";
import { RecordingLogger } from "../../support/output/recording-logger.ts";

test("a failing shared layer fails the app image, without a warning about the layer", async () => {
  const logger = new RecordingLogger();
  const store: CacheStore = {
    name: "cache",
    access: Promise.resolve(),
    metadata: async () => EMPTY_CACHE_METADATA,
    add: () => Promise.reject(new Error("no layer may be added")),
    commit: () => Promise.reject(new Error("nothing may be committed")),
    close: async () => undefined,
  };
  const shared = layer("bp", "shared", { launch: true, cache: true });
  const inputs = planInputs({ buildpacks: [buildpack("bp", shared)], cache: { kind: "image" } });
  // The app image's walk reaches the layer after the cache's.
  const broken = awaitedLater(Promise.reject(new Error("unreadable")));
  const appSaved = awaitedLater(nextTurn().then(() => Promise.reject(new Error("the export of the app image failed"))));
  await exportCache(
    { logger, monitor: new Monitor() } as unknown as ExportContext,
    { inputs, plan: planApp(inputs), layers: { byKey: () => broken } } as unknown as Preparation,
    { store: Promise.resolve(store), planned: Promise.resolve(undefined) },
    appSaved,
    new AbortController().signal,
  );
  expect(logger.lines.filter((line) => line.startsWith("warn "))).toEqual([
    "warn Failed to export cache: the export of the app image failed",
  ]);
});
