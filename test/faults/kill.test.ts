import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { FakeRegistry } from "../fakes/registry/registry.ts";
import { Scene } from "../integration/export/scene.ts";
import { readCommitted } from "../support/tar-store.ts";
import { verifyImage } from "../support/verify-image.ts";
import { randomIntegers } from "../unit/random-integers.ts";
import { tempTree } from "../unit/temp-tree.ts";

/** How often the command is killed. */
const KILLS = Number(process.env.CRASH_KILLS ?? 4);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

const KINDS = ["app", "volume cache", "cache image"] as const;

test(
  `killed ${KILLS} times at any moment (CRASH_SEED=${SEED}), the command leaves the old images and caches or the new ones`,
  async () => {
    const random = randomIntegers(SEED);
    const scene = await Scene.open(await FakeRegistry.start(), await FakeRegistry.start());
    const cacheDir = join(scene.output.root, "cache");
    const spool = tempTree();
    mkdirSync(cacheDir);
    const request = (kill: number) => {
      const flags = ["-spool-dir", spool, ...(kill % 2 === 0 ? [] : ["-parallel"])];
      return kill % 4 < 2 ? { cache: "", flags: [...flags, "-cache-dir", cacheDir] } : { flags };
    };
    /** What is there, each verified to the last byte: an image with a layer that is missing or torn fails the test. */
    const look = async () => {
      const [app, cache] = [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)];
      const volume = readCommitted(cacheDir);
      expect(volume.flaws).toEqual([]);
      return { app: app.digest, "volume cache": volume.metadata, "cache image": cache.digest };
    };
    for (const kill of [0, 2]) expect(await scene.export(request(kill))).toMatchObject({ exitCode: 0 });
    let { wallMs } = await scene.export(request(0));
    const found = { old: 0, new: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await look();
      for (const layer of ["jdk", "maven"]) scene.change(layer, `${kill}\n`.repeat(1 + random(500_000)));
      const { running } = scene.start(request(kill));
      const afterMs = random(Math.ceil(1.1 * wallMs));
      await Promise.race([delay(afterMs), running.ended]);
      running.process.kill("SIGKILL");
      await running.ended;
      const left = await look();
      expect(readdirSync(spool)).toEqual([]);
      const next = await scene.export(request(kill));
      expect(next).toMatchObject({ exitCode: 0, stderr: "" });
      ({ wallMs } = next);
      const after = await look();
      expect(readdirSync(cacheDir)).toEqual(["committed"]);
      expect(readCommitted(cacheDir).tars).toHaveLength(2);
      for (const kind of KINDS) expect([before[kind], after[kind]]).toContain(left[kind]);
      const isNew = KINDS.some((kind) => left[kind] !== before[kind]);
      found[isNew ? "new" : "old"] += 1;
      if (kill % 20 === 19)
        console.info(`${kill + 1} kills: ${found.old} left all as it was, ${found.new} something new`);
    }
    console.info(`${KILLS} kills: ${found.old} left all as it was, ${found.new} something new`);
  },
  60_000 + KILLS * 10_000,
);
