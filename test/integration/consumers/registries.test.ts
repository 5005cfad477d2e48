import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AS_BUILD_USER, expectUnpacked, makeOdd } from "../../support/consumers/odd-build.ts";
import { crane, skopeo } from "../../support/consumers/tools.ts";
import { Containerd, containerdProblem } from "../../support/daemon/containerd.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyLayout } from "../../support/images/layout.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { startRegistry } from "../../support/registry/registry-kinds.ts";
import { Scene } from "../../support/scenes/scene.ts";

const tools = { skopeo: skopeo(), crane: crane() };
const isRoot = process.getuid?.() === 0;
const problem = containerdProblem();
if (problem !== undefined) console.warn(`Tests with containerd are skipped: ${problem}`);

async function exported(compression: string) {
  const scene = await Scene.open(await startRegistry());
  makeOdd(scene.output);
  const run = await scene.export({ flags: [...AS_BUILD_USER, "-compression", compression] });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  return { scene, image: await verifyImage(scene.appImage) };
}

describe.for(["gzip", "zstd"])("an image with %s in a registry", (compression) => {
  test.skipIf(tools.skopeo.isMissing)("skopeo inspects, and copies with its cache image", async () => {
    const { scene, image } = await exported(compression);
    const inspected = await tools.skopeo.run("inspect", "--tls-verify=false", `docker://${scene.appImage}`);
    expect(JSON.parse(inspected)).toMatchObject({
      Digest: image.digest,
      Layers: image.layers.map(({ digest }) => digest),
      Labels: image.labels,
    });
    const layout = join(tempTree(), "layout");
    for (const name of [scene.appImage, scene.cacheImage])
      await tools.skopeo.run(
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        `docker://${name}`,
        `oci:${layout}-${name.includes("cache")}:latest`,
      );
    expect(verifyLayout(`${layout}-false`).digest).toBe(image.digest);
    expect(verifyLayout(`${layout}-true`).digest).toBe((await verifyImage(scene.cacheImage)).digest);
  });

  test.skipIf(tools.crane.isMissing || !isRoot)("crane validates, pulls and exports", async () => {
    const { scene, image } = await exported(compression);
    // Its validation assumes gzip for every layer.
    if (compression === "gzip") await tools.crane.run("validate", "--remote", scene.appImage);
    const directory = tempTree();
    await tools.crane.run("pull", "--format", "oci", scene.appImage, join(directory, "layout"));
    expect(verifyLayout(join(directory, "layout")).digest).toBe(image.digest);
    const archive = join(directory, "rootfs.tar");
    await tools.crane.run("export", scene.appImage, archive);
    const rootfs = join(directory, "rootfs");
    mkdirSync(rootfs);
    execFileSync("tar", [
      "--extract",
      "--file",
      archive,
      "--directory",
      rootfs,
      "--same-permissions",
      "--numeric-owner",
    ]);
    expectUnpacked(scene.output, rootfs);
  });
});

describe.skipIf(problem !== undefined)("containerd", () => {
  let containerd: Containerd;

  beforeAll(async () => {
    containerd = await Containerd.start();
  });

  afterAll(async () => containerd?.[Symbol.asyncDispose]());

  test.for(["gzip", "zstd"])("pulls an image with %s, and unpacks what the build left", async (compression) => {
    const { scene, image } = await exported(compression);
    await containerd.pull(scene.appImage);
    expect(await containerd.check(scene.appImage)).toMatch(new RegExp(`${image.digest} +complete .*true`));
    await containerd.withMounted(scene.appImage, (rootfs) => expectUnpacked(scene.output, rootfs));
  });
});
