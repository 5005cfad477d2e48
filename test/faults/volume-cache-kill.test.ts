import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { FakeRegistry } from "../fakes/registry/registry.ts";
import { Scene } from "../integration/export/scene.ts";
import { readCommitted } from "../support/tar-store.ts";
import { randomIntegers } from "../unit/random-integers.ts";

/** How often the command is killed. */
const KILLS = Number(process.env.CRASH_KILLS ?? 4);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

test(
  `killed ${KILLS} times at any moment (CRASH_SEED=${SEED}), the command leaves the old cache or the new one`,
  async () => {
    const random = randomIntegers(SEED);
    const scene = await Scene.open(await FakeRegistry.start());
    const cacheDir = join(scene.output.root, "cache");
    mkdirSync(cacheDir);
    const request = (kill: number) => ({
      cache: "",
      flags: ["-cache-dir", cacheDir, ...(kill % 2 === 0 ? [] : ["-parallel"])],
    });
    let { wallMs } = await scene.export(request(0));
    const found = { old: 0, new: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      const before = readCommitted(cacheDir);
      for (const layer of ["jdk", "maven"]) scene.change(layer, `${kill}\n`.repeat(1 + random(500_000)));
      const { running } = scene.start(request(kill));
      const afterMs = random(Math.ceil(1.1 * wallMs));
      await Promise.race([delay(afterMs), running.ended]);
      running.process.kill("SIGKILL");
      await running.ended;
      const left = readCommitted(cacheDir);
      expect(left.flaws).toEqual([]);
      const next = await scene.export(request(kill));
      expect(next).toMatchObject({ exitCode: 0, stderr: "" });
      ({ wallMs } = next);
      const after = readCommitted(cacheDir);
      expect(after.flaws).toEqual([]);
      expect(after.tars).toHaveLength(2);
      expect(readdirSync(cacheDir)).toEqual(["committed"]);
      expect([before.metadata, after.metadata]).toContain(left.metadata);
      found[left.metadata === before.metadata ? "old" : "new"] += 1;
    }
    console.info(`${KILLS} kills left ${found.old} old caches and ${found.new} new ones`);
  },
  60_000 + KILLS * 5_000,
);
