import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verifyLayout } from "../support/images/layout.ts";
import { KILLS, KILLS_TIMEOUT_MS, RandomKills, SEED } from "../support/process/random-kills.ts";
import { seededBytes } from "../support/random.ts";
import { WAIT } from "../support/runner/time-limits.ts";
import { LayoutScene } from "../support/scenes/layout-scene.ts";

const TAGS = ["latest", "v2"];

test(
  `${KILLS} kills at random moments (CRASH_SEED=${SEED}) leave layouts with the old image or the new one`,
  async () => {
    const kills = new RandomKills();
    const scene = await LayoutScene.open();
    const libraries = join(scene.output.layersDir, "samples_java", "libraries", "changed");
    const report = () => readFileSync(join(scene.output.layersDir, "report.toml"), "utf8");
    const images = () => TAGS.map((tag) => verifyLayout(scene.pathOf(tag)).digest);
    const { wallMs } = await scene.start("app", "app:v2").ended;
    for (let kill = 0; kill < KILLS; kill++) {
      const [before, reportBefore] = [images(), report()];
      writeFileSync(libraries, seededBytes(kills.random(4 << 20), kill + 1));
      // A build based on the last image, or on none.
      if (kill % 2 === 1) scene.analyze();
      await kills.kill(scene.start("app", "app:v2"), wallMs);
      const [left, reportLeft] = [images(), report()];
      expect(await scene.export("app", "app:v2")).toMatchObject({ exitCode: 0 });
      const [after, reportAfter] = [images(), report()];
      for (const [i, digest] of left.entries()) expect([before[i], after[i]]).toContain(digest);
      expect([reportBefore, reportAfter]).toContain(reportLeft);
      for (const tag of TAGS) expectClean(scene.pathOf(tag));
      expect(readdirSync(scene.output.layersDir).filter((name) => name.includes("making"))).toEqual([]);
      kills.count(left[0] === before[0] ? "old" : "new");
    }
    kills.report("layouts");
  },
  KILLS_TIMEOUT_MS,
);

test("the next run cleans up after a kill before the first image is complete", async () => {
  const scene = await LayoutScene.open();
  writeFileSync(join(scene.output.layersDir, "samples_java", "jdk", "large"), seededBytes(30 << 20, 7));
  const running = scene.start("app");
  const half = () =>
    (existsSync(scene.pathOf()) ? readdirSync(scene.pathOf()) : []).filter((name) => name.startsWith(".making-"));
  await expect.poll(half, { ...WAIT, interval: 2 }).toHaveLength(1);
  running.process.kill("SIGKILL");
  await running.ended;
  expect(half()).toHaveLength(1);
  expect(existsSync(join(scene.pathOf(), "index.json"))).toBe(false);
  expect(await scene.export("app")).toMatchObject({ exitCode: 0 });
  expectClean(scene.pathOf());
});

/** Checks that the layout contains only images, and that every blob matches its name. */
function expectClean(path: string): void {
  verifyLayout(path);
  expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  for (const name of readdirSync(join(path, "blobs", "sha256"))) expect(name).toMatch(/^[0-9a-f]{64}$/);
}
