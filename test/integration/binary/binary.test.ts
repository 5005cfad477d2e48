import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildBinary, LIBRARY_DIRECTORIES } from "../../../scripts/build-binary.ts";
import { DockerEngine } from "../../fakes/docker-engine.ts";
import { FakeRegistry } from "../../fakes/registry/registry.ts";
import { flagsFor, startProgram } from "../../support/exporter.ts";
import { findProgram } from "../../support/find-program.ts";
import { ARCHITECTURE, writeLibcRoot } from "../../support/libc-root.ts";
import { verifyImage } from "../../support/verify-image.ts";
import { Scene } from "../export/scene.ts";

const hasPatchelf = findProgram("patchelf") !== undefined;

const directory = mkdtempSync(join(tmpdir(), "tandem-binary-"));
const lifecycle = join(directory, "lifecycle");

beforeAll(async () => {
  await buildBinary({ architecture: ARCHITECTURE, directory: lifecycle, libraries: LIBRARY_DIRECTORIES[ARCHITECTURE] });
  symlinkSync("exporter", join(lifecycle, "lifecycle"));
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true }));

/** An export's arguments, both images in one registry. */
async function scene() {
  const registry = await FakeRegistry.start();
  const opened = await Scene.open(registry);
  const builder = ["-launcher-sbom", join(opened.output.root, "sbom"), "-run", join(opened.output.root, "run.toml")];
  const args = [
    ...flagsFor(opened.output),
    ...builder,
    "-parallel",
    "-cache-image",
    opened.cacheImage,
    opened.appImage,
  ];
  return { opened, args };
}

test.each([
  ["exporter", []],
  ["lifecycle", ["export"]],
])("called as %s it exports what the command does", async (name, words) => {
  const { opened, args } = await scene();
  const ours = await startProgram(join(lifecycle, name), [...words, ...args]).ended;
  expect(ours.stderr).not.toContain("ERROR");
  expect(ours.exitCode).toBe(0);
  const [app, cache] = [await verifyImage(opened.appImage), await verifyImage(opened.cacheImage)];
  await opened.export({ flags: ["-parallel"] });
  expect((await verifyImage(opened.appImage)).digest).toBe(app.digest);
  expect((await verifyImage(opened.cacheImage)).digest).toBe(cache.digest);
});

test("called as creator, on the PATH, it looks for the other phases beside itself", async () => {
  const { args } = await scene();
  const run = spawnSync("sh", ["-c", 'creator "$@"', "sh", ...args.filter((arg) => arg !== "-parallel")], {
    env: { PATH: `${lifecycle}:${process.env.PATH}`, CNB_PLATFORM_API: "0.13" },
    encoding: "utf8",
  });
  expect(run.stderr).toContain(join(realpathSync(lifecycle), "analyzer"));
  expect(run.status).not.toBe(0);
});

test("it takes no options of Node.js, neither as arguments nor from the environment", () => {
  const env = { CNB_PLATFORM_API: "0.13", NODE_OPTIONS: "--no-such-option" };
  const run = spawnSync(join(lifecycle, "exporter"), ["--max-old-space-size=1"], { env, encoding: "utf8" });
  expect(run.stderr).toContain("flag provided but not defined: -max-old-space-size");
  expect(run.status).toBe(2);
});

const engine = hasPatchelf ? await DockerEngine.startIfPossible() : "patchelf is not installed";
if (typeof engine === "string") {
  test.skip(`in a container with nothing but libc: ${engine}`, () => undefined);
} else {
  afterAll(() => engine[Symbol.asyncDispose]());

  test("in a container with nothing but libc the executable exports both images", async () => {
    await engine.importImage("only-libc", onlyLibc());
    const { opened, args } = await scene();
    const { root } = opened.output;
    const where = ["--rm", "--network", "host", "--volume", `${root}:${root}`, "--env", "CNB_PLATFORM_API=0.13"];
    await engine.docker("run", ...where, "only-libc", "/cnb/lifecycle/exporter", ...args);
    await verifyImage(opened.appImage);
    await verifyImage(opened.cacheImage);
  });
}

/** A root with the C library, and the executable with what is beside it. */
function onlyLibc(): string {
  const root = join(directory, "only-libc");
  writeLibcRoot(root);
  cpSync(lifecycle, join(root, "cnb", "lifecycle"), { recursive: true, verbatimSymlinks: true });
  return root;
}
