import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, startProgram } from "../../support/process/exporter.ts";
import { seededBytes } from "../../support/random.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

/** More layers than file descriptors. */
const LAYERS = 60;

async function open(): Promise<{ readonly registry: FakeRegistry; readonly scene: Scene }> {
  const registry = await FakeRegistry.start();
  const layer = { from: ["libraries"], launch: true, cache: true };
  const layers = Object.fromEntries(Array.from({ length: LAYERS }, (_, i) => [`layer-${i}`, layer]));
  const scene = await Scene.open(registry, registry, layers);
  // Layers with equal contents would share a blob.
  for (const [i, name] of Object.keys(layers).entries())
    writeFileSync(scene.layerPath(name, "own"), seededBytes(10_000, i));
  return { registry, scene };
}

/** Runs the command under limits set with `ulimit`. */
async function runLimited(scene: Scene, limits: string, flags: readonly string[], cache = scene.cacheImage) {
  const args = [EXPORTER, ...scene.arguments({ flags, cache })];
  return await startProgram("/bin/sh", ["-c", `${limits} && exec "$@"`, "sh", ...args]).ended;
}

test("a credential helper has the limit of open files that the command was started with", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry, registry);
  const home = tempTree({
    "config.json": '{"credsStore":"looks"}',
    "docker-credential-looks": `#!/bin/sh
ulimit -Sn > "$DOCKER_CONFIG/limit"
echo credentials not found in native keychain
exit 1
`,
  });
  chmodSync(join(home, "docker-credential-looks"), 0o755);
  const script = `export DOCKER_CONFIG=${home} PATH=${home}:$PATH; ulimit -Sn 123`;
  expect(await runLimited(scene, script, [])).toMatchObject({ exitCode: 0 });
  expect(readFileSync(join(home, "limit"), "utf8")).toBe("123\n");
});

describe("with few descriptors", () => {
  test.each([[[]], [["-parallel"]]])("60 layers of both images are exported (%s)", async (flags) => {
    const { scene } = await open();
    const run = await runLimited(scene, "ulimit -n 64", [...flags, "-workers", "8"]);
    expect(run.stderr).not.toMatch(/too many open files|EMFILE|Failed/);
    expect(run.stderr).toMatch(/^Warning: Using \d of 8 workers, as the limits of this process allow$/m);
    expect(run.exitCode).toBe(0);
    await verifyImage(scene.appImage);
    await verifyImage(scene.cacheImage);
  });

  test("60 layers are exported with a cache directory", async () => {
    const { scene } = await open();
    const cacheDir = join(tempTree(), "cache");
    mkdirSync(cacheDir);
    const run = await runLimited(scene, "ulimit -n 64", ["-cache-dir", cacheDir], "");
    expect(run.stderr).not.toMatch(/too many open files|EMFILE|Failed/);
    expect(run.exitCode).toBe(0);
    await verifyImage(scene.appImage);
  });
});

test.each([
  ["ulimit -n 48", /may have 48 open files, and the export needs \d+\n.*ulimit -n/],
  ["ulimit -n 20", /may have 20 open files, and the export needs 60: raise the limit \(ulimit -n\)/],
  ["ulimit -v 6000000", /may have 6144000000 bytes of address space, and the export needs \d+\n.*ulimit -v/],
  [
    "ulimit -v 500000",
    /may have 500000 KiB of address space, and the export needs 8000000: raise the limit \(ulimit -v\)/,
  ],
  ["ulimit -d 600000", /may have 600000 KiB of data, and the export needs 1100000: raise the limit \(ulimit -d\)/],
  ["ulimit -s 64", /may have 64 KiB of stack, and the export needs 100: raise the limit \(ulimit -s\)/],
  ["ulimit -d 1000000", /may have 1024000000 bytes of data, and the export needs \d+\n.*ulimit -d/],
  ["ulimit -f 4", /file too large.*\n.*ulimit -f/],
])("%s ends in one error that names the limit, and nothing is published", async (limit, says) => {
  const { registry, scene } = await open();
  const run = await runLimited(scene, limit, ["-workers", "1"]);
  expect(run.exitCode).not.toBe(0);
  expect(run.stderr).toMatch(says);
  expect(run.stderr.match(/^ERROR: /gm)).toHaveLength(1);
  expect(run.stderr).not.toMatch(/native stack|more memory/i);
  for (const name of ["app", "cache"]) expect(registry.manifests.find(name, "latest")).toBeUndefined();
});
