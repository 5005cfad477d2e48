import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { writeAnalyzed } from "../support/build/build-output.ts";
import { DockerApi } from "../support/daemon/docker-api.ts";
import { readCommitted } from "../support/images/tar-store.ts";
import { flagsFor, startExporter } from "../support/process/exporter.ts";
import { KILLS, KILLS_TIMEOUT_MS, RandomKills, SEED } from "../support/process/random-kills.ts";
import { seededBytes } from "../support/random.ts";
import { exportInProcess } from "../support/scenes/export-in-process.ts";
import { writeBuild } from "../support/scenes/scene.ts";

test(
  `${KILLS} kills at random moments (CRASH_SEED=${SEED}) leave the tars of the old launch cache or of the new one`,
  async () => {
    const kills = new RandomKills();
    const [api, host] = await DockerApi.start({ apiVersion: "1.41", storage: "classic", knowsBase: true });
    onTestFinished(() => api[Symbol.asyncDispose]());
    const output = writeBuild();
    writeAnalyzed(output, "run");
    const launchCache = join(output.root, "launch-cache");
    mkdirSync(launchCache);
    const reportPath = join(output.root, "report.toml");
    const flags = [...flagsFor(output), "-daemon", "-launch-cache", launchCache, "-report", reportPath, "app"];
    const env = { DOCKER_HOST: host };
    const report = () => readFileSync(reportPath, "utf8");
    const { wallMs } = await startExporter(flags, env).ended;
    for (let kill = 0; kill < KILLS; kill++) {
      const [before, reportBefore] = [readCommitted(launchCache), report()];
      writeFileSync(
        join(output.layersDir, "samples_java", "libraries", "changed"),
        seededBytes(kills.random(4 << 20), kill),
      );
      await kills.kill(startExporter(flags, env), wallMs);
      const [left, reportLeft] = [readCommitted(launchCache), report()];
      expect(left.flaws).toEqual([]);
      expect(await exportInProcess(flags, env)).toMatchObject({ exitCode: 0 });
      const after = readCommitted(launchCache);
      expect(after.flaws).toEqual([]);
      // jdk, libraries, SBOM, app, launcher, config, process-types
      expect(after.tars).toHaveLength(7);
      expect(readdirSync(launchCache)).toEqual(["committed"]);
      const has = ({ tars }: typeof left) => tars.every((name) => left.tars.includes(name));
      expect(has(before) || has(after)).toBe(true);
      expect([reportBefore, report()]).toContain(reportLeft);
      kills.count(has(after) ? "new" : "old");
    }
    kills.report("launch caches");
  },
  KILLS_TIMEOUT_MS,
);
