import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { BUILD_USER, Builder } from "../../support/build/builder.ts";
import { CREATOR } from "../../support/creator/fake-build.ts";
import { readImage } from "../../support/creator/image-document.ts";
import { create } from "../../support/creator/reference-build.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyLayout, writeRunLayout } from "../../support/images/layout.ts";
import { RegistryAccess } from "../../support/images/registry-access.ts";
import { pushRunImage } from "../../support/images/run-image.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import type { ExporterRun } from "../../support/process/exporter.ts";
import { REFERENCE } from "../../support/process/reference-lifecycle.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";

async function builder(): Promise<{ readonly registry: FakeRegistry; readonly builder: Builder }> {
  const registry = await FakeRegistry.start();
  onTestFinished(() => registry[Symbol.asyncDispose]());
  await pushRunImage(`${registry.host}/run`);
  return { registry, builder: new Builder(`${registry.host}/run:latest`) };
}

/** Builds with the reference and with ours, in the same directories, one after the other. */
async function both(on: Builder, host: string, api: string) {
  const build = async (creator: string, name: string) => {
    on.forget();
    const [image, cache] = [`${host}/${name}/app:latest`, `${host}/${name}/cache:latest`];
    const run = await create(on, { api, creator, image, cache });
    const report = run.exitCode === 0 ? readFileSync(join(on.layersDir, "report.toml"), "utf8") : "";
    return { run, image, cache, report };
  };
  return { theirs: await build(join(REFERENCE, "creator"), "theirs"), ours: await build(CREATOR, "ours") };
}

/** Lines of buildpacks, and of what was done with each layer; what is restored has no order. */
function told({ stdout }: ExporterRun) {
  const lines = stdout.split("\n").filter((line) => /^(===>|jdk:|maven:|Reus|Add|Restoring|Removing)/.test(line));
  const isRestored = (line: string) => line.startsWith("Restoring");
  return { restored: lines.filter(isRestored).sort(), rest: lines.filter((line) => !isRestored(line)) };
}

/** Without the parts of names and digests in which the two runs must differ. */
function neutral(text: string): string {
  return text.replace(/\b(theirs|ours)\//g, "").replace(/app@sha256:[0-9a-f]{64}/g, "app@...");
}

describe.skipIf(REFERENCE === "")("with the phases of the reference", () => {
  test.each(["0.7", "0.9", "0.11", "0.12", "0.15"])(
    "the reference's image, API %s: first build, unchanged, changed",
    async (api) => {
      const { registry, builder: on } = await builder();
      for (const value of ["one", "one", "two"]) {
        on.write("workspace/value", `${value}\n`);
        const { theirs, ours } = await both(on, registry.host, api);
        expect(theirs.run).toMatchObject({ exitCode: 0 });
        expect(ours.run).toMatchObject({ exitCode: 0 });
        await verifyImage(ours.image);
        await verifyImage(ours.cache);
        const [reference, own] = [await readImage(theirs.image), await readImage(ours.image)];
        expect(own.config).toEqual(reference.config);
        expect(own.configDigest).toBe(reference.configDigest);
        expect(JSON.parse(neutral(JSON.stringify(told(ours.run))))).toEqual(
          JSON.parse(neutral(JSON.stringify(told(theirs.run)))),
        );
      }
    },
  );

  test("a rebuild restores and reuses the layers of the first build", async () => {
    const { registry, builder: on } = await builder();
    const [image, cache] = [`${registry.host}/app:latest`, `${registry.host}/cache:latest`];
    const build = () => create(on, { creator: CREATOR, image, cache, flags: ["-parallel"] });
    const first = await build();
    expect(first.exitCode).toBe(0);
    expect(first.stdout).toContain(`jdk: uid ${BUILD_USER.uid}, home /`);
    expect(first.stdout).toContain("jdk: making jdk\njdk: making launch-only\n");
    on.forget();
    const again = await build();
    expect(again.exitCode).toBe(0);
    expect(again.stdout).not.toContain("making");
    expect(again.stdout).toContain("maven: found repository\n");
    expect(again.stdout).toContain("Reusing layer 'samples/jdk:launch-only'\n");
    expect(again.stdout).toContain("Reusing cache layer 'samples/jdk:jdk'\n");
    on.forget();
    on.write("workspace/value", "two\n");
    const changed = await build();
    expect(changed.stdout).toContain("jdk: making jdk\njdk: making launch-only\n");
    expect(changed.stdout).toContain("Adding layer 'samples/jdk:jdk'\n");
    await verifyImage(image);
    await verifyImage(cache);
  });

  test("the image and the cache directory equal the reference's", async () => {
    const { registry, builder: on } = await builder();
    const build = async (creator: string, name: string, first: boolean) => {
      on.forget();
      const cache = join(on.root, name);
      if (first) mkdirSync(cache);
      const image = `${registry.host}/${name}/app:latest`;
      const run = await create(on, { creator, image, flags: ["-cache-dir", cache] });
      expect(run).toMatchObject({ exitCode: 0 });
      const committed = join(cache, "committed");
      const metadata = readFileSync(join(committed, "io.buildpacks.lifecycle.cache.metadata"), "utf8");
      return { config: (await readImage(image)).config, files: readdirSync(committed).sort(), metadata };
    };
    for (const value of ["one", "one", "two"]) {
      on.write("workspace/value", `${value}\n`);
      const first = !existsSync(join(on.root, "ours"));
      expect(await build(CREATOR, "ours", first)).toEqual(await build(join(REFERENCE, "creator"), "theirs", first));
    }
  });

  test("the layout equals the reference's", async () => {
    const { builder: on } = await builder();
    const build = async (creator: string) => {
      on.forget();
      const layouts = join(on.root, creator === CREATOR ? "ours" : "theirs");
      await writeRunLayout(join(layouts, "reg.example", "run", "latest"));
      for (const path of readdirSync(layouts, { recursive: true, encoding: "utf8" }))
        chownSync(join(layouts, path), BUILD_USER.uid, BUILD_USER.gid);
      chownSync(layouts, BUILD_USER.uid, BUILD_USER.gid);
      const flags = ["-layout", "-layout-dir", layouts, "-run-image", "reg.example/run"];
      const env = { CNB_EXPERIMENTAL_MODE: "quiet" };
      const run = await create(on, { creator, image: "reg.example/app", flags, env });
      expect(run).toMatchObject({ exitCode: 0 });
      const { layers, labels } = verifyLayout(join(layouts, "reg.example", "app", "latest"));
      return { diffIds: layers.map(({ diffId }) => diffId), build: labels["io.buildpacks.build.metadata"] };
    };
    expect(await build(CREATOR)).toEqual(await build(join(REFERENCE, "creator")));
  });

  test.each<[string, number, (on: Builder) => readonly string[]]>([
    ["nothing is detected", 20, (on) => script(on, "detect", "exit 100")],
    ["a detection breaks", 21, (on) => script(on, "detect", "exit 3")],
    ["a buildpack fails", 51, (on) => script(on, "build", "exit 7")],
    ["there is no order", 1, () => ["-order", "/none/order.toml"]],
    ["there is no cache directory", 1, () => ["-cache-dir", "/none"]],
    ["the run image cannot be reached", 32, () => ["-run-image", "127.0.0.1:1/run"]],
    ["the previous image cannot be reached", 32, () => ["-previous-image", "127.0.0.1:1/app"]],
    ["extensions are detected", 22, extensions],
  ])("fails like the reference when %s", async (_, exitCode, prepare) => {
    const { registry, builder: on } = await builder();
    const flags = prepare(on);
    const env = { CNB_EXTENSIONS_DIR: join(on.root, "extensions") };
    const run = async (creator: string) => {
      on.forget();
      const { stdout, stderr, ...rest } = await create(on, { creator, image: `${registry.host}/app`, flags, env });
      return { exitCode: rest.exitCode, errors: `${stdout}${stderr}`.match(/^ERROR: .*/gm) };
    };
    const theirs = await run(join(REFERENCE, "creator"));
    const ours = await run(CREATOR);
    expect(ours).toEqual(theirs);
    expect(ours.exitCode).toBe(exitCode);
  });

  test("credentials for a registry that only run.toml names are read before privileges are dropped", async () => {
    const { registry, builder: on } = await builder();
    const closed = await FakeRegistry.start({ auth: { kind: "basic", username: "robot", password: "secret" } });
    onTestFinished(() => closed[Symbol.asyncDispose]());
    const login = { username: "robot", password: "secret" };
    await pushRunImage(`${closed.host}/run`, new RegistryAccess({ login }));
    // Of the user that the creator is started as, and closed to the user of the build.
    const config = tempTree({
      "config.json": JSON.stringify({ auths: { [closed.host]: { auth: btoa("robot:secret") } } }),
    });
    chmodSync(config, 0o700);
    const image = `${registry.host}/app:latest`;
    const build = { creator: CREATOR, image, env: { DOCKER_CONFIG: config } };
    on.write("run.toml", `[[images]]\nimage = "${closed.host}/run"\n`);
    expect(await create(on, build)).toMatchObject({ exitCode: 0 });
    await verifyImage(image);
  });

  test("a missing run image ends the creator before the build", async () => {
    const { registry, builder: on } = await builder();
    const flags = ["-run-image", `${registry.host}/none`];
    const run = await create(on, { creator: CREATOR, image: `${registry.host}/app`, flags });
    expect(run.exitCode).toBe(1);
    expect(run.stderr).toContain(`ERROR: failed to find run image '${registry.host}/none'\n`);
    expect(run.stdout).not.toContain("===> DETECTING");
  });
});

function script(on: Builder, program: string, line: string): readonly string[] {
  on.write(`buildpacks/samples_jdk/0.1.0/bin/${program}`, `#!/bin/sh\n${line}\n`, 0o755);
  return [];
}

function extensions(on: Builder): readonly string[] {
  const root = "extensions/samples_ext/1";
  on.write(`${root}/extension.toml`, 'api = "0.10"\n[extension]\nid = "samples/ext"\nversion = "1"\n');
  on.write(`${root}/bin/detect`, "#!/bin/sh\nexit 0\n", 0o755);
  on.write(`${root}/bin/generate`, "#!/bin/sh\nexit 9\n", 0o755);
  const order = readFileSync(join(on.root, "order.toml"), "utf8");
  on.write(
    "order.toml",
    `${order}[[order-extensions]]\n[[order-extensions.group]]\nid = "samples/ext"\nversion = "1"\n`,
  );
  return [];
}
