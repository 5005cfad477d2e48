import { chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { BUILD_USER } from "../../support/build/builder.ts";
import { AS_BUILD_USER, expectUnpacked, makeOdd } from "../../support/consumers/odd-build.ts";
import { crane, skopeo, umoci } from "../../support/consumers/tools.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyLayout } from "../../support/images/layout.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { startRegistry } from "../../support/registry/registry-kinds.ts";
import { LayoutScene } from "../../support/scenes/layout-scene.ts";

const tools = { skopeo: skopeo(), umoci: umoci(), crane: crane() };
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("Unpacking of layouts is skipped: only root may give files to other owners");

async function exported(compression: string) {
  const scene = await LayoutScene.open();
  makeOdd(scene.output);
  chownSync(scene.root, BUILD_USER.uid, BUILD_USER.gid);
  const run = await scene.export(...AS_BUILD_USER, "-compression", compression, "app");
  expect(run).toMatchObject({ exitCode: 0 });
  return { scene, path: scene.pathOf(), image: verifyLayout(scene.pathOf()) };
}

/** umoci unpacks zstd from 0.5 on. */
async function unpacks(compression: string): Promise<boolean> {
  const [, major = 0, minor = 0] = (/ (\d+)\.(\d+)/.exec(await tools.umoci.run("--version")) ?? []).map(Number);
  return compression === "gzip" || major > 0 || minor >= 5;
}

describe.for(["gzip", "zstd"])("a layout with %s", (compression) => {
  test.skipIf(tools.skopeo.isMissing)("skopeo decompresses, and what it finds is what the config says", async () => {
    const { path, image } = await exported(compression);
    const copy = join(tempTree(), "copy");
    await tools.skopeo.run("copy", "--quiet", "--dest-decompress", `oci:${path}:latest`, `dir:${copy}`);
    // Files are named by the digests of their contents.
    expect(readdirSync(copy)).toEqual(expect.arrayContaining(image.layers.map(({ diffId }) => diffId.slice(7))));
  });

  test.skipIf(tools.umoci.isMissing || !isRoot)(
    "umoci unpacks, and every file is as the build left it",
    async (context) => {
      if (!(await unpacks(compression))) context.skip("this umoci unpacks no zstd");
      const { scene, path } = await exported(compression);
      const bundle = join(tempTree(), "bundle");
      await tools.umoci.run("unpack", "--image", `${path}:latest`, bundle);
      expectUnpacked(scene.output, join(bundle, "rootfs"));
    },
  );

  test.skipIf(tools.crane.isMissing)("crane pushes", async () => {
    const { path, image } = await exported(compression);
    const registry = await startRegistry();
    onTestFinished(() => registry[Symbol.asyncDispose]());
    const name = `${registry.host}/from-layout:latest`;
    await tools.crane.run("push", path, name);
    expect((await verifyImage(name)).digest).toBe(image.digest);
    // Its validation assumes gzip for every layer.
    if (compression === "gzip") await tools.crane.run("validate", "--remote", name);
  });
});
