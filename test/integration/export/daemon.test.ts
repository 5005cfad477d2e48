import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeAnalyzed } from "../../support/build/build-output.ts";
import { DockerEngine, sharedEngine } from "../../support/daemon/docker-engine.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { flagsFor } from "../../support/process/exporter.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { buildOutput, DaemonScene } from "../../support/scenes/daemon-scene.ts";
import { exportInProcess } from "../../support/scenes/export-in-process.ts";
import { layerWork } from "../../support/scenes/scene.ts";

describe.each(["docker", "podman"] as const)("a real daemon of %s", (kind) => {
  const engine = sharedEngine(`Tests of exports into ${kind}`, () => DockerEngine.startIfPossible(kind));
  const openScene = () => DaemonScene.open(engine());

  test("loads a first build, which runs", async () => {
    const scene = await openScene();
    const run = await scene.export(["first:1"]);
    expect(run).toMatchObject({ exitCode: 0 });
    const image = await scene.engine.inspect("first:1");
    const id = image.Id.slice("sha256:".length);
    expect(run.stdout).toContain(`*** Images (${id.slice(0, 12)}):\n      first:1\n\n*** Image ID: ${id}\n`);
    expect(scene.report()).toMatch(`tags = ["first:1"]\n  image-id = "${id}"\n  manifest-size = `);
    const runImage = await scene.engine.inspect(scene.runImage);
    expect(image.RootFS.Layers.slice(0, 1)).toEqual(runImage.RootFS.Layers);
    const label = JSON.parse(image.Config.Labels["io.buildpacks.lifecycle.metadata"] ?? "");
    const [topLayer] = runImage.RootFS.Layers;
    expect(label.runImage).toEqual({ topLayer, reference: runImage.Id.slice(7), image: "samples/run" });
    expect(image.Config.Labels.run).toBe("yes");
    const { appDir } = scene.output;
    const started = await scene.engine.run("first:1");
    expect(started).toBe(`/cnb/process/web in ${appDir}, PATH /cnb/process:/cnb/lifecycle:/bin`);
    const looked = ["-c", "read line < index.html; echo $line"];
    expect(await scene.engine.run("first:1", ["--entrypoint", "/bin/sh"], looked)).toBe("<p>hello</p>");
  });

  test("is sent each layer by the pass that hashes it, uncompressed", async () => {
    const scene = await openScene();
    const run = await scene.export(["passes"]);
    const once = { reads: 1, hashes: 1, compressions: 0, uploads: 1 };
    const work = layerWork(run.events);
    const ids = ["config", "jdk", "launch.sbom", "launcher", "libraries", "process-types", "slice-1"];
    expect(Object.keys(work).sort()).toEqual(ids);
    for (const layer of Object.values(work)) expect(layer).toEqual(once);
  });

  test("is not sent layers that it has, if possible: an unchanged build is the same image", async () => {
    const scene = await openScene();
    await scene.export(["same"]);
    const first = await scene.engine.inspect("same");
    await scene.analyze("same");
    const run = await scene.export(["same"]);
    expect(run.exitCode).toBe(0);
    expect(run.stdout).toContain("Reusing layer 'samples/java:jdk'\n");
    expect(run.stdout).toContain("Reused 1/1 app layer(s)\n");
    expect((await scene.engine.inspect("same")).Id).toBe(first.Id);
    for (const layer of Object.values(layerWork(run.events))) expect(layer).toEqual(scene.workOnKnown);
  });

  test("is sent changed layers and the layers above them", async () => {
    const scene = await openScene();
    await scene.export(["changed"]);
    const first = await scene.engine.inspect("changed");
    await scene.analyze("changed");
    writeFileSync(join(scene.output.layersDir, "samples_java", "libraries", "new.js"), "new\n");
    const run = await scene.export(["changed"]);
    expect(run.exitCode).toBe(0);
    const { jdk, libraries, config } = layerWork(run.events);
    expect([jdk?.uploads, libraries?.uploads, config?.uploads]).toEqual([scene.workOnKnown.uploads, 1, 1]);
    const second = await scene.engine.inspect("changed");
    const differing = second.RootFS.Layers.filter((diffId) => !first.RootFS.Layers.includes(diffId));
    expect(differing).toHaveLength(1);
    expect(await scene.engine.run("changed")).toContain("/cnb/process/web in");
  });

  test("provides a layer that the build does not have, from below other layers", async () => {
    const scene = await openScene();
    await scene.export(["metadata-only"]);
    const first = await scene.engine.inspect("metadata-only");
    await scene.analyze("metadata-only");
    scene.replaceLibraries();
    const run = await scene.export(["metadata-only"]);
    expect(run).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toContain("Reusing layer 'samples/java:libraries'\n");
    const second = await scene.engine.inspect("metadata-only");
    const [, ...own] = first.RootFS.Layers;
    expect(second.RootFS.Layers).toEqual(expect.arrayContaining(own.slice(0, 2)));
    expect(second.RootFS.Layers).toHaveLength(first.RootFS.Layers.length + 1);
    expect(await scene.engine.run("metadata-only")).toContain("/cnb/process/web");
  });

  test("fills a launch cache with all layers of the image in the same pass", async () => {
    const scene = await openScene();
    scene.renew();
    const run = await scene.export(["launch-cached"], ["-launch-cache", scene.launchCache()]);
    expect(run).toMatchObject({ exitCode: 0 });
    const [, ...own] = (await scene.engine.inspect("launch-cached")).RootFS.Layers;
    expect(scene.cachedLayers()).toEqual([...own].sort());
    for (const layer of Object.values(layerWork(run.events))) expect(layer).toMatchObject({ reads: 1, hashes: 1 });
    await scene.analyze("launch-cached");
    const again = await scene.export(["launch-cached"], ["-launch-cache", scene.launchCache()]);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(scene.cachedLayers()).toEqual([...own].sort());
    for (const layer of Object.values(layerWork(again.events))) expect(layer).toMatchObject(scene.workOnKnown);
  });

  test("is sent layers that only the launch cache has, which keeps them for the next build", async () => {
    const scene = await openScene();
    scene.renew();
    await scene.export(["from-launch-cache"], ["-launch-cache", scene.launchCache()]);
    const first = await scene.engine.inspect("from-launch-cache");
    await scene.analyze("from-launch-cache");
    scene.replaceLibraries();
    const run = await scene.export(["from-launch-cache"], ["-launch-cache", scene.launchCache()]);
    expect(run).toMatchObject({ exitCode: 0 });
    const second = await scene.engine.inspect("from-launch-cache");
    expect(second.RootFS.Layers).toEqual(expect.arrayContaining(first.RootFS.Layers.slice(0, 3)));
    const [, ...own] = second.RootFS.Layers;
    expect(scene.cachedLayers()).toEqual([...own].sort());

    await scene.analyze("from-launch-cache");
    expect(await scene.export(["from-launch-cache"], ["-launch-cache", scene.launchCache()])).toMatchObject({
      exitCode: 0,
    });
    expect((await scene.engine.inspect("from-launch-cache")).Id).toBe(second.Id);
    expect(scene.cachedLayers()).toEqual([...own].sort());
  });

  test("is sent a reused layer from the launch cache after the previous image was removed", async () => {
    const scene = await openScene();
    scene.renew();
    const names = ["gone-with-launch-cache"];
    await scene.export(names, ["-launch-cache", scene.launchCache()]);
    const { RootFS } = await scene.engine.inspect("gone-with-launch-cache");
    await scene.analyze("gone-with-launch-cache");
    await scene.engine.docker("rmi", "-f", "gone-with-launch-cache");
    scene.replaceLibraries();
    expect(await scene.export(names)).toMatchObject({ exitCode: 62 });
    const run = await scene.export(names, ["-launch-cache", scene.launchCache()]);
    expect(run).toMatchObject({ exitCode: 0 });
    const { Layers } = (await scene.engine.inspect("gone-with-launch-cache")).RootFS;
    expect(RootFS.Layers.slice(1).filter((diffId) => !Layers.includes(diffId))).toEqual([]);
    expect(scene.cachedLayers()).toEqual(Layers.slice(1).sort());
    expect(await scene.engine.run("gone-with-launch-cache")).toContain("/cnb/process/web in");
  });

  test("gets the image even if the launch cache cannot be opened", async () => {
    const scene = await openScene();
    const run = await scene.export(["no-launch-cache"], ["-launch-cache", "/nowhere/launch"]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(
      "ERROR: failed to create launch cache: stat /nowhere/launch: no such file or directory\n",
    );
  });

  test("keeps the image under all its names", async () => {
    const scene = await openScene();
    // It is also the image of other tests otherwise.
    scene.renew();
    const run = await scene.export(["tags", "tags:2", "other.example/tags"]);
    expect(run.exitCode).toBe(0);
    expect(scene.report()).toContain('tags = ["tags", "tags:2", "other.example/tags"]');
    const { RepoTags } = await scene.engine.inspect("tags");
    // Podman also shows the registry.
    const names = RepoTags.map((name) => name.replace("docker.io/library/", ""));
    expect(names.sort()).toEqual(["other.example/tags:latest", "tags:2", "tags:latest"]);
  });

  test("gets no launch cache if -launch-cache is the directory of -cache-dir", async () => {
    const scene = await openScene();
    const directory = scene.launchCache();
    const run = await scene.export(["one-directory"], ["-launch-cache", directory, "-cache-dir", `${directory}/.`]);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toContain(
      `Warning: Failed to export launch cache: -launch-cache and -cache-dir name one directory: ${directory}\n` +
        "Give the launch cache a directory of its own.\n",
    );
    expect(readdirSync(join(directory, "committed"))).toContain("io.buildpacks.lifecycle.cache.metadata");
  });

  test("is not sent an image whose run image it lacks, and the error names that", async () => {
    const scene = await openScene();
    const missing = "f".repeat(64);
    writeAnalyzed(scene.output, missing);
    const run = await scene.export(["no-run-image"]);
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`run image "${missing}" is not in the docker daemon\n`);
    await expect(scene.engine.inspect("no-run-image")).rejects.toThrow();
  });

  test("serves an export that has dropped root, over a socket that only root may open", async () => {
    const scene = await openScene();
    scene.renew();
    const { root, layersDir } = scene.output;
    for (const path of [root, layersDir]) chownSync(path, 1000, 1000);
    chmodSync(scene.engine.socketPath, 0o600);
    const run = await scene.export(["unprivileged"], ["-uid", "1000", "-gid", "1000"]);
    expect(run).toMatchObject({ exitCode: 0 });
    await scene.engine.inspect("unprivileged");
  });

  test("gets the app image from the pass that fills the cache directory", async () => {
    const scene = await openScene();
    scene.renew();
    const cacheDir = join(scene.output.root, "cache");
    mkdirSync(cacheDir);
    const run = await scene.export(["with-directory"], ["-cache-dir", cacheDir, "-parallel"]);
    expect(run).toMatchObject({ exitCode: 0 });
    const [, jdk] = (await scene.engine.inspect("with-directory")).RootFS.Layers;
    expect(readdirSync(join(cacheDir, "committed")).sort()).toEqual([
      "io.buildpacks.lifecycle.cache.metadata",
      `${jdk}.tar`,
    ]);
    expect(layerWork(run.events).jdk).toEqual({ reads: 1, hashes: 1, compressions: 0, uploads: 1 });
  });

  test("gets the app image from the pass that builds the cache image", async () => {
    const scene = await openScene();
    scene.renew();
    const registry = await FakeRegistry.start();
    const cacheImage = `${registry.host}/cache:latest`;
    const run = await scene.export(["with-cache"], ["-cache-image", cacheImage, "-parallel"]);
    await verifyImage(cacheImage);
    await registry[Symbol.asyncDispose]();
    expect(run.exitCode).toBe(0);
    expect(layerWork(run.events).jdk).toEqual({ reads: 1, hashes: 1, compressions: 1, uploads: 2 });
    expect(layerWork(run.events).libraries).toMatchObject({ compressions: 0 });
  });
});

test("the error for a missing daemon names it", async () => {
  const output = buildOutput();
  writeAnalyzed(output, "run");
  const run = await exportInProcess([...flagsFor(output), "-daemon", "app"], {
    DOCKER_HOST: "unix:///nowhere/docker.sock",
  });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain(
    "ERROR: failed to  image: failed to connect to the docker API at unix:///nowhere/docker.sock; check if the path is correct and if the daemon is running: dial unix /nowhere/docker.sock: connect: no such file or directory\n",
  );
});

test("an unsupported DOCKER_HOST is rejected before any work", async () => {
  const output = buildOutput();
  writeAnalyzed(output, "run");
  const run = await exportInProcess([...flagsFor(output), "-daemon", "app"], { DOCKER_HOST: "ssh://host" });
  expect(run.exitCode).toBe(1);
  expect(run.stderr).toContain("ERROR: failed to initialize docker client: unable to parse docker host `ssh://host`\n");
});
