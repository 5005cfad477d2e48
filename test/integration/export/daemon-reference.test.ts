import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sharedEngine } from "../../support/daemon/docker-engine.ts";
import { REFERENCE, runPhase, warnWithoutReference } from "../../support/process/reference-lifecycle.ts";
import { DaemonScene } from "../../support/scenes/daemon-scene.ts";

warnWithoutReference("Rebases in docker");

describe.skipIf(REFERENCE === "")("an image in a docker daemon", () => {
  const docker = sharedEngine("Rebases in docker");

  test("is rebased by the reference, runs, and is built upon", async () => {
    const engine = docker();
    const scene = await DaemonScene.open(engine);
    expect(await scene.export(["rebased"])).toMatchObject({ exitCode: 0 });
    const before = await engine.inspect("rebased");
    const newRun = await engine.importRunImage("run:newer");
    const report = ["-report", join(scene.output.root, "rebase.toml")];
    const env = { DOCKER_HOST: engine.host };
    // Forced, because metadata without a run.toml names no permitted run image.
    await runPhase("rebaser", ["-daemon", "-force", "-run-image", "run:newer", ...report, "rebased"], env);
    const after = await engine.inspect("rebased");
    const { RootFS } = await engine.inspect("run:newer");
    expect(after.RootFS.Layers).toEqual([...RootFS.Layers, ...before.RootFS.Layers.slice(1)]);
    expect(RootFS.Layers[0]).not.toBe(before.RootFS.Layers[0]);
    const metadata = JSON.parse(after.Config.Labels["io.buildpacks.lifecycle.metadata"] ?? "");
    expect(metadata.runImage).toMatchObject({ topLayer: RootFS.Layers[0], reference: newRun.replace("sha256:", "") });
    const { appDir } = scene.output;
    const started = await engine.run("rebased");
    expect(started).toBe(`/cnb/process/web in ${appDir}, PATH /cnb/process:/cnb/lifecycle:/bin`);
    const looked = ["-c", "read line < /name; echo $line"];
    expect(await engine.run("rebased", ["--entrypoint", "/bin/sh"], looked)).toBe("run:newer");

    await scene.analyze("rebased", newRun);
    const run = await scene.export(["rebased"]);
    expect(run).toMatchObject({ exitCode: 0 });
    expect(run.stdout).not.toContain("Adding layer");
    expect((await engine.inspect("rebased")).RootFS).toEqual(after.RootFS);
  });
});
