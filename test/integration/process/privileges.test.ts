import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { EXPORTER, flagsFor, startProgram } from "../../support/process/exporter.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("Tests of dropped privileges are skipped: they need root.");

const OTHER_USER = ["-uid", "4242", "-gid", "4243"];
const USER = ["-uid", "1000", "-gid", "1000"];

/** The layers directory belongs to the user, as in a build. */
function giveAway({ output }: Scene): void {
  for (const path of [output.root, output.layersDir]) chownSync(path, 1000, 1000);
}

test.skipIf(!isRoot)("root becomes the user of the build before it exports", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  giveAway(scene);
  const ids = Promise.withResolvers<string>();
  const { running } = scene.start({ flags: [...USER, "-parallel"] });
  const look = async (proceed: () => Promise<Reply>) => {
    ids.resolve(readFileSync(`/proc/${running.process.pid}/status`, "utf8"));
    return proceed();
  };
  registry.faults.add({ method: "PUT", target: /app\/manifests/, action: { around: look } });
  expect(await running.ended).toMatchObject({ exitCode: 0 });
  const status = await ids.promise;
  expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
  expect(status).toMatch(/^Gid:\t1000\t1000\t1000\t1000$/m);
  await verifyImage(scene.appImage);
  await verifyImage(scene.cacheImage);
  expect(statSync(join(scene.output.layersDir, "report.toml"))).toMatchObject({ uid: 1000, gid: 1000 });
});

test("a process that may not become the user of the build says so, before it exports", async () => {
  const registry = await FakeRegistry.start();
  const scene = await Scene.openSmall(registry);
  const may = ["--bounding-set", "-setuid,-setgid", "--inh-caps", "-setuid,-setgid"];
  const [program, ...args] = isRoot ? ["setpriv", ...may, EXPORTER] : [EXPORTER];
  const run = await startProgram(program ?? "", [...args, ...flagsFor(scene.output), ...OTHER_USER, scene.appImage])
    .ended;
  expect(run).toMatchObject({ exitCode: 1 });
  expect(run.stderr).toContain("ERROR: failed to exec as user 4242:4243: operation not permitted\n");
  expect(registry.count("POST", /app/)).toBe(0);
});

const ONLY_ROOT = ["--user", "--map-user=0", "--map-group=0"];
const canMap = spawnSync("unshare", [...ONLY_ROOT, "true"]).status === 0;

test.skipIf(!canMap)(
  `the error names the user namespace if it does not map the build's user${canMap ? "" : " (needs unshare and user namespaces)"}`,
  async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const args = [...ONLY_ROOT, EXPORTER, ...flagsFor(scene.output), ...OTHER_USER];
    const run = await startProgram("unshare", [...args, scene.appImage]).ended;
    expect(run).toMatchObject({ exitCode: 1 });
    expect(run.stderr).toMatch(
      /^ERROR: failed to exec as user 4242:4243: invalid argument\n.* does not map 4242:4243: .*\/etc\/subuid.* -uid 0 -gid 0 /m,
    );
    const caches = tempTree({ "cache/file": "" });
    chmodSync(join(caches, "cache"), 0o755);
    const cache = await startProgram("unshare", [...args, "-cache-dir", join(caches, "cache"), scene.appImage]).ended;
    expect(cache.stderr).toMatch(
      /^ERROR: failed to chown volumes: chown .*\/cache: invalid argument\n.* does not map /m,
    );
    expect(registry.count("POST", /app/)).toBe(0);
  },
);

test.skipIf(!isRoot)("a file that the user may not read is an error that names it", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  giveAway(scene);
  const path = scene.layerPath("libraries", "secret");
  writeFileSync(path, "root's", { mode: 0o600 });
  const run = await scene.export({ flags: USER });
  expect(run.exitCode).toBe(62);
  expect(run.stderr).toMatch(`ERROR: failed to export: creating layer: open ${path}: permission denied`);
});

test.skipIf(!isRoot)("a launcher that the user may not read is an error that names the flag", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  giveAway(scene);
  const path = join(scene.output.root, "roots-launcher");
  writeFileSync(path, "#!", { mode: 0o700 });
  const run = await scene.export({ flags: [...USER, "-launcher", path] });
  expect(run.exitCode).toBe(62);
  expect(run.stderr).toContain(`failed to open launcher at path '${path}': open ${path}: permission denied\n`);
  expect(run.stderr).toContain("Let the user of the build read the launcher, or name another one with -launcher.");
});

test.skipIf(!isRoot)("cache directories are given to the user first", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  giveAway(scene);
  const launchCache = join(scene.output.root, "launch-cache");
  mkdirSync(join(launchCache, "committed"), { recursive: true, mode: 0o755 });
  writeFileSync(join(launchCache, "committed", "layer.tar"), "");
  const run = await scene.export({ flags: [...USER, "-launch-cache", launchCache] });
  expect(run.exitCode).toBe(0);
  for (const path of [launchCache, join(launchCache, "committed"), join(launchCache, "committed", "layer.tar")])
    expect(statSync(path)).toMatchObject({ uid: 1000, gid: 1000 });
});
