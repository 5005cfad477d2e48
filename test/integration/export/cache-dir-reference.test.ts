import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listTree } from "../../conformance/disk-tree.ts";
import { readCommitted } from "../../support/images/tar-store.ts";
import type { ExporterRun } from "../../support/process/exporter.ts";
import {
  BOTH_WAYS,
  EXPORTERS,
  type ExporterName,
  REFERENCE,
  restoreLayers,
  warnWithoutReference,
} from "../../support/process/reference-lifecycle.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

warnWithoutReference("Exchanges of caches");

const CACHED = ["jdk", "maven"];

/** A build for both exporters, each with its own cache directory. */
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
  async export(exporter: ExporterName, into: string, flags: readonly string[] = []): Promise<ExporterRun> {
    const cacheDir = ["-cache-dir", this.cacheDir(into), ...flags];
    const run = await this.scene.export({ ...EXPORTERS[exporter], cache: "", flags: cacheDir });
    expect(run).toMatchObject({ exitCode: 0 });
    return run;
  }

  restore(from: string): Promise<ExporterRun> {
    return restoreLayers(this.scene, CACHED, ["-cache-dir", this.cacheDir(from)]);
  }

  get contents(): ReturnType<typeof listTree>[] {
    return CACHED.map((name) => listTree(this.scene.layerPath(name)));
  }
}

async function exchange(): Promise<Exchange> {
  return new Exchange(await Scene.open(await FakeRegistry.start()));
}

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
    // Changed, and exported again by both exporters.
    on.scene.change("jdk");
    rmSync(sbom, { recursive: true });
    await on.scene.analyze();
    const runs = [await on.export("reference", "reference", flags), await on.export("ours", "ours", flags)];
    expect(listTree(ours)).toEqual(listTree(theirs));
    expect(new Set(runs.map((run) => cacheLines(run).join()))).toHaveProperty("size", 1);
  });

  test.for(BOTH_WAYS)("written by %s are reused by %s", async ([writer, reader]) => {
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
