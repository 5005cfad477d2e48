import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listTree } from "../../conformance/disk-tree.ts";
import { FakeRegistry } from "../../fakes/registry/registry.ts";
import { type ExporterRun, flagsFor, startProgram } from "../../support/exporter.ts";
import { readCommitted } from "../../support/tar-store.ts";
import { Scene } from "./scene.ts";

/** Programs `exporter` and `restorer` of the reference. */
const REFERENCE = process.env.REFERENCE_LIFECYCLE_DIR ?? "";
if (REFERENCE === "")
  console.warn("Exchanges of caches are skipped: REFERENCE_LIFECYCLE_DIR does not name a lifecycle's directory.");

const EXPORTERS = { reference: join(REFERENCE, "exporter"), ours: "" } as const;
const OWN_USER = ["-uid", String(process.getuid?.() ?? 0), "-gid", String(process.getgid?.() ?? 0)];
const CACHED = ["jdk", "maven"];
type Exporter = keyof typeof EXPORTERS;

/** A build that either exporter can export, into one cache directory each. */
class Exchange {
  readonly scene: Scene;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  cacheDir(name: string): string {
    const path = join(this.scene.output.root, `cache-${name}`);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** @param into name of the cache directory */
  async export(exporter: Exporter, into: string, flags: readonly string[] = []): Promise<ExporterRun> {
    const cacheDir = ["-cache-dir", this.cacheDir(into), ...flags];
    const run =
      exporter === "ours"
        ? await this.scene.export({ cache: "", flags: cacheDir })
        : await startProgram(EXPORTERS[exporter], [...flagsFor(this.scene.output), ...cacheDir, this.scene.appImage])
            .ended;
    expect(run).toMatchObject({ exitCode: 0 });
    return run;
  }

  /**
   * Removes the cached layers' contents and restores them from a cache with the reference's restorer. Their [types], which a
   * restorer leaves out and a buildpack writes again, are what they were.
   */
  async restore(from: string): Promise<ExporterRun> {
    const { layersDir } = this.scene.output;
    const tomls = CACHED.map((name) => this.scene.layerPath(`${name}.toml`)).map(
      (path) => [path, readFileSync(path)] as const,
    );
    for (const name of CACHED) rmSync(this.scene.layerPath(name), { recursive: true });
    const flags = ["-layers", layersDir, "-cache-dir", this.cacheDir(from), "-no-color", ...OWN_USER];
    const run = await startProgram(join(REFERENCE, "restorer"), flags).ended;
    expect(run).toMatchObject({ exitCode: 0 });
    for (const [path, toml] of tomls) writeFileSync(path, toml);
    return run;
  }

  /** What the cached layers hold. */
  get contents(): ReturnType<typeof listTree>[] {
    return CACHED.map((name) => listTree(this.scene.layerPath(name)));
  }
}

async function exchange(): Promise<Exchange> {
  return new Exchange(await Scene.open(await FakeRegistry.start()));
}

/** The lines about the cache's layers. */
function cacheLines({ stdout }: ExporterRun): string[] {
  return stdout.split("\n").filter((line) => line.includes("cache layer '"));
}

describe.skipIf(REFERENCE === "")("caches of both exporters", () => {
  test.for([{ flags: [] }, { flags: ["-parallel"] }])("are the same ($flags)", async ({ flags }) => {
    const on = await exchange();
    const sbom = join(on.scene.output.layersDir, "sbom", "cache");
    mkdirSync(join(sbom, "samples_java"), { recursive: true });
    for (const exporter of ["reference", "ours"] as const) await on.export(exporter, exporter, flags);
    const [theirs, ours] = [on.cacheDir("reference"), on.cacheDir("ours")];
    expect(listTree(ours)).toEqual(listTree(theirs));
    expect(listTree(ours)).toHaveLength(4);
    expect(statSync(join(ours, "committed")).mode).toBe(statSync(join(theirs, "committed")).mode);
    expect(readCommitted(ours)).toMatchObject({ flaws: [] });
    // Changed, and exported again by both.
    on.scene.change("jdk");
    rmSync(sbom, { recursive: true });
    await on.scene.analyze();
    const runs = [await on.export("reference", "reference", flags), await on.export("ours", "ours", flags)];
    expect(listTree(ours)).toEqual(listTree(theirs));
    expect(new Set(runs.map((run) => cacheLines(run).join()))).toHaveProperty("size", 1);
  });

  test.for([
    ["ours", "reference"],
    ["reference", "ours"],
  ] as const)("written by %s are reused by %s", async ([writer, reader]) => {
    const on = await exchange();
    await on.export(writer, "shared");
    await on.scene.analyze();
    const before = listTree(on.cacheDir("shared"));
    const run = await on.export(reader, "shared");
    expect(cacheLines(run).filter((line) => line.startsWith("Reusing"))).toHaveLength(2);
    expect(listTree(on.cacheDir("shared"))).toEqual(before);
  });

  test.for(["ours", "reference"] as const)("written by %s are restored by the reference", async (writer) => {
    const on = await exchange();
    await on.export(writer, writer);
    await on.scene.analyze();
    const before = on.contents;
    const run = await on.restore(writer);
    expect(run.stdout.match(/Restoring data for .* from cache/g)).toHaveLength(2);
    expect(on.contents).toEqual(before);
    const again = await on.export("ours", writer);
    expect(cacheLines(again).filter((line) => line.startsWith("Reusing"))).toHaveLength(2);
    expect(existsSync(join(on.cacheDir(writer), "staging"))).toBe(false);
  });
});
