import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../../../scripts/script.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { memoryCgroup, memoryCgroupProblem } from "../../support/process/memory-cgroup.ts";
import { seededBytes } from "../../support/random.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

if (memoryCgroupProblem !== undefined) console.warn(`Exports under a memory limit are skipped: ${memoryCgroupProblem}`);

const MIB = 1 << 20;

/** The bundled command in a Node.js that reports 64 cores. */
const ON_64_CORES = [
  process.execPath,
  "--max-semi-space-size=8",
  "-e",
  `require("node:os").availableParallelism = () => 64;
  require("node:module").syncBuiltinESMExports();
  require(process.argv[1]);`,
  join(ROOT, "dist", "cli.cjs"),
];

/** A smaller version of RFC 0125's Java build: incompressible archives, thousands of small files, and text. */
async function javaScene(): Promise<Scene> {
  const scene = await Scene.open(await FakeRegistry.start());
  for (let i = 0; i < 40; i++) writeFileSync(scene.layerPath("maven", `jar-${i}`), seededBytes(MIB, i));
  for (let directory = 0; directory < 50; directory++) {
    mkdirSync(scene.layerPath("libraries", String(directory)));
    for (let i = 0; i < 100; i++)
      writeFileSync(scene.layerPath("libraries", String(directory), `${i}.js`), `exports.value = ${i};\n`.repeat(20));
  }
  const text = "some text that compresses as text does, more or less\n".repeat(20_000);
  for (let i = 0; i < 60; i++) writeFileSync(scene.layerPath("jdk", `text-${i}`), `${i}${text}`);
  return scene;
}

describe.skipIf(memoryCgroupProblem !== undefined)("under a memory limit", () => {
  test.each([
    [256, 4],
    [512, 22],
  ])("of %i MiB an export on 64 cores takes at most %i workers and is not killed", async (mebibytes, most) => {
    const scene = await javaScene();
    const group = memoryCgroup(mebibytes * MIB);
    const args = scene.arguments({ flags: ["-parallel", "-log-level", "debug"] });
    const run = await startProgram("/bin/sh", ["-c", group.script, "sh", ...ON_64_CORES, ...args]).ended;
    expect(run).toMatchObject({ status: 0 });
    expect(group.kills()).toBe(0);
    const [, workers, path] = /^Using (\d+) workers on 64 cores because of .*\((.*)\)$/m.exec(run.stdout) ?? [];
    expect(Number(workers)).toBeGreaterThan(0);
    expect(Number(workers)).toBeLessThanOrEqual(most);
    expect(path).toBe(group.limitPath);
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
  });

  test("-workers beyond the memory limit is reduced with a warning", async () => {
    const scene = await javaScene();
    const group = memoryCgroup(256 * MIB);
    const args = scene.arguments({ flags: ["-parallel", "-workers", "200"] });
    const run = await startProgram("/bin/sh", ["-c", group.script, "sh", EXPORTER, ...args]).ended;
    expect(run).toMatchObject({ status: 0 });
    expect(group.kills()).toBe(0);
    expect(run.stderr).toMatch(/^Warning: -workers 200 exceeds the available memory of \d+ MiB \(.*\): using [1-4]$/m);
    await verifyImage(scene.appImage);
  });
});

test.each(["2000", "1000000"])("-workers %s is one error that names the flag and the limit", async (workers) => {
  const scene = await Scene.open(await FakeRegistry.start());
  const run = await scene.export({ flags: ["-workers", workers] });
  expect(run.exitCode).toBe(3);
  expect(run.stderr).toBe(
    "ERROR: failed to resolve inputs: -workers (CNB_EXPORT_WORKERS) must be a whole number from 1 to 512\n",
  );
});
