import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { FakeRegistry } from "../../fakes/registry/registry.ts";
import { BUILD_USER, Builder } from "../../support/builder.ts";
import { type ExporterRun, startProgram } from "../../support/exporter.ts";
import { pushRunImage } from "../../support/run-image.ts";
import { verifyImage } from "../../support/verify-image.ts";
import { readImage } from "./image-document.ts";

/** Programs `analyzer`, `detector`, `restorer`, `builder`, and for comparison `creator`, of the reference. */
const REFERENCE = process.env.REFERENCE_LIFECYCLE_DIR ?? "";
if (REFERENCE === "")
  console.warn("Builds with real phases are skipped: REFERENCE_LIFECYCLE_DIR does not name a lifecycle's directory.");

const CREATOR = join(import.meta.dirname, "..", "..", "..", "bin", "creator");

interface Build {
  readonly api?: string;
  readonly creator: string;
  readonly image: string;
  readonly cache: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

async function builder(): Promise<{ readonly registry: FakeRegistry; readonly builder: Builder }> {
  const registry = await FakeRegistry.start();
  onTestFinished(() => registry[Symbol.asyncDispose]());
  await pushRunImage(`${registry.host}/run`);
  return { registry, builder: new Builder(`${registry.host}/run:latest`) };
}

function create(
  on: Builder,
  { api = "0.13", creator, image, cache, flags = [], env = {} }: Build,
): Promise<ExporterRun> {
  const own = creator === CREATOR ? ["-spool-dir", join(on.root, "spool")] : [];
  return startProgram(creator, [...on.flags(api), "-cache-image", cache, ...own, ...flags, image], {
    CNB_PLATFORM_API: api,
    CNB_LIFECYCLE_DIR: REFERENCE,
    HOME: join(on.root, "home"),
    USER: "builder",
    ...env,
  }).ended;
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

  test("a rebuild restores what the first build left, and reuses it", async () => {
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
});
