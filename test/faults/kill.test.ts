import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempTree } from "../support/files/temp-tree.ts";
import { readCommitted } from "../support/images/tar-store.ts";
import { verifyImage } from "../support/images/verify-image.ts";
import { KILLS, KILLS_TIMEOUT_MS, RandomKills, SEED } from "../support/process/random-kills.ts";
import { FakeRegistry } from "../support/registry/registry.ts";
import { Scene } from "../support/scenes/scene.ts";

const KINDS = ["app", "volume cache", "cache image"] as const;

test(
  `${KILLS} kills at random moments (CRASH_SEED=${SEED}) leave the old images and caches or the new ones`,
  async () => {
    const kills = new RandomKills();
    const scene = await Scene.open(await FakeRegistry.start(), await FakeRegistry.start());
    const cacheDir = join(scene.output.root, "cache");
    const spool = tempTree();
    mkdirSync(cacheDir);
    const request = (kill: number) => {
      const flags = ["-spool-dir", spool, ...(kill % 2 === 0 ? [] : ["-parallel"])];
      return kill % 4 < 2 ? { cache: "", flags: [...flags, "-cache-dir", cacheDir] } : { flags };
    };
    /** Verifies every byte: an image with a missing or torn layer fails the test. */
    const look = async () => {
      const [app, cache] = [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)];
      const volume = readCommitted(cacheDir);
      expect(volume.flaws).toEqual([]);
      return { app: app.digest, "volume cache": volume.metadata, "cache image": cache.digest };
    };
    for (const kill of [0, 2]) expect(await scene.export(request(kill))).toMatchObject({ exitCode: 0 });
    const { wallMs } = await scene.export({ ...request(0), byCommand: true });
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await look();
      for (const layer of ["jdk", "maven"]) scene.change(layer, `${kill}\n`.repeat(1 + kills.random(500_000)));
      await kills.kill(scene.start(request(kill)).running, wallMs);
      const left = await look();
      expect(readdirSync(spool)).toEqual([]);
      const next = await scene.export(request(kill));
      expect(next).toMatchObject({ exitCode: 0, stderr: "" });
      const after = await look();
      expect(readdirSync(cacheDir)).toEqual(["committed"]);
      expect(readCommitted(cacheDir).tars).toHaveLength(2);
      for (const kind of KINDS) expect([before[kind], after[kind]]).toContain(left[kind]);
      const isNew = KINDS.some((kind) => left[kind] !== before[kind]);
      kills.count(isNew ? "new" : "old");
      if (kill % 20 === 19) kills.report("images and caches");
    }
    kills.report("images and caches");
  },
  KILLS_TIMEOUT_MS,
);
