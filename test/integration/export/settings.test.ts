import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { NO_SMALL_DISK, smallDisk } from "../../support/files/small-disk.ts";
import { tempTree } from "../../support/files/temp-tree.ts";
import { verifyImage } from "../../support/images/verify-image.ts";
import { seededBytes } from "../../support/random.ts";
import type { Reply } from "../../support/registry/exchange.ts";
import { FakeRegistry } from "../../support/registry/registry.ts";
import { Scene } from "../../support/scenes/scene.ts";

describe("-parallel", () => {
  /** Returns which came first: the cache's first upload or the app image's name, which may wait for the upload. */
  async function firstOf(env: Readonly<Record<string, string>>, flags: readonly string[], waits: boolean) {
    const [app, cache] = [await FakeRegistry.start(), await FakeRegistry.start()];
    const scene = await Scene.openSmall(app, cache);
    const order: string[] = [];
    const hasBegun = Promise.withResolvers<void>();
    const name = async (proceed: () => Promise<Reply>) => {
      if (waits) await hasBegun.promise;
      order.push("app");
      return proceed();
    };
    const upload = async (proceed: () => Promise<Reply>) => {
      order.push("cache");
      hasBegun.resolve();
      return proceed();
    };
    app.faults.add({ method: "PUT", target: /app\/manifests/, action: { around: name } });
    cache.faults.add({ method: "PATCH", target: /cache\/blobs/, action: { around: upload } });
    expect((await scene.export({ env, flags })).exitCode).toBe(0);
    return order[0];
  }

  test.for([
    { env: {}, flags: [], beside: false },
    { env: {}, flags: ["-parallel"], beside: true },
    { env: { CNB_PARALLEL_EXPORT: "true" }, flags: [], beside: true },
    { env: { CNB_PARALLEL_EXPORT: "true" }, flags: ["-parallel=false"], beside: false },
  ])("$env $flags: the cache beside the app image is $beside", async ({ env, flags, beside }) => {
    expect(await firstOf(env, flags, beside)).toBe(beside ? "cache" : "app");
  });
});

test("the label has the launcher's release of the lifecycle that the exporter is part of", async () => {
  const scene = await Scene.openSmall(await FakeRegistry.start());
  const directory = tempTree({ lifecycle: "#!/bin/sh\necho 0.21.17+4bd4b13\n" });
  chmodSync(join(directory, "lifecycle"), 0o755);
  expect(await scene.export({ cache: "", env: { CNB_LIFECYCLE_DIR: directory } })).toMatchObject({ exitCode: 0 });
  const { labels } = await verifyImage(scene.appImage);
  expect(JSON.parse(labels["io.buildpacks.build.metadata"] ?? "").launcher).toEqual({
    version: "0.21.17",
    source: { git: { repository: "github.com/buildpacks/lifecycle", commit: "4bd4b13" } },
  });
});

describe("-compression", () => {
  test("zstd compresses every new layer of both images, with OCI's media type", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    expect((await scene.export({ flags: ["-compression", "zstd"] })).exitCode).toBe(0);
    const [app, cache] = [await verifyImage(scene.appImage), await verifyImage(scene.cacheImage)];
    const types = [...app.layers.slice(1), ...cache.layers].map(({ mediaType }) => mediaType);
    expect(new Set(types)).toEqual(new Set(["application/vnd.oci.image.layer.v1.tar+zstd"]));
  });

  test("a higher level makes layers smaller and keeps their diffIDs", async () => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    scene.change(
      "libraries",
      Array.from({ length: 40_000 }, (_, i) => `line ${(i * i) % 9973} of the text\n`).join(""),
    );
    const sizes: number[] = [];
    const diffIds: string[][] = [];
    for (const level of ["1", "9"]) {
      expect((await scene.export({ flags: ["-compression-level", level] })).exitCode).toBe(0);
      const { layers } = await verifyImage(scene.appImage);
      sizes.push(layers.reduce((sum, { size }) => sum + size, 0));
      diffIds.push(layers.map(({ diffId }) => diffId));
    }
    expect(sizes[1]).toBeLessThan(sizes[0] ?? 0);
    expect(diffIds[1]).toEqual(diffIds[0]);
  });
});

describe("-upload-concurrency", () => {
  test.for([
    { env: {}, flags: ["-upload-concurrency", "1"], most: 1 },
    { env: { CNB_EXPORT_UPLOAD_CONCURRENCY: "3" }, flags: [], most: 3 },
  ])("$most bodies at a time and never more", async ({ env, flags, most }) => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const isFull = Promise.withResolvers<void>();
    const seen: number[] = [];
    let inFlight = 0;
    const count = async (proceed: () => Promise<Reply>) => {
      seen.push(++inFlight);
      // Holds every request until all slots are taken, so that an extra one would show.
      if (inFlight === most) isFull.resolve();
      await isFull.promise;
      const reply = await proceed();
      inFlight -= 1;
      return reply;
    };
    const times = Number.POSITIVE_INFINITY;
    registry.faults.add({ method: "PATCH", target: /blobs/, times, action: { around: count } });
    const run = await scene.export({ env, flags: [...flags, "-parallel"] });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(seen.length).toBeGreaterThan(8);
    expect(Math.max(...seen)).toBe(most);
  });
});

test.each(["0", "257", "1000000000000"])(
  "-upload-concurrency %s is one error that names flag and limit",
  async (uploads) => {
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const run = await scene.export({ flags: ["-upload-concurrency", uploads] });
    expect(run.exitCode).toBe(3);
    expect(run.stderr).toBe(
      "ERROR: failed to resolve inputs: -upload-concurrency (CNB_EXPORT_UPLOAD_CONCURRENCY) must be a whole number from 1 to 256\n",
    );
  },
);

describe("-spool-dir", () => {
  test("fails with a clear error before any push if the directory does not exist", async () => {
    const registry = await FakeRegistry.start();
    const scene = await Scene.openSmall(registry);
    const spool = join(scene.output.root, "nowhere");
    const run = await scene.export({ flags: ["-spool-dir", spool, "-parallel"] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain(
      `ERROR: failed to export: creating layer: failed to create a spool file in ${spool}: `,
    );
    expect(run.stderr).toContain("\nGive a writable directory with -spool-dir or TMPDIR.\n");
    expect(registry.count("PUT", /\/app\//)).toBe(0);
  });

  test("fails with a clear error and a remedy if the file system takes no more files", async (context) => {
    // The directory itself takes the only inode.
    const spool = smallDisk("nr_inodes=1");
    if (spool === undefined) return context.skip(NO_SMALL_DISK);
    const scene = await Scene.openSmall(await FakeRegistry.start());
    const run = await scene.export({ flags: ["-spool-dir", spool] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toMatch(
      /ERROR: failed to export: .*failed to create a spool file in .*: no space left on device\nThe file system is full: .*\nGive a writable directory with -spool-dir/,
    );
  });

  test("fails with a clear error and a remedy if the disk is full", async (context) => {
    const spool = smallDisk("size=3m");
    if (spool === undefined) return context.skip(NO_SMALL_DISK);
    const registry = await FakeRegistry.start();
    const scene = await Scene.open(registry);
    const run = await scene.export({ flags: ["-spool-dir", spool] });
    expect(run.exitCode).toBe(62);
    expect(run.stderr).toContain(`failed to write compressed layer to ${spool}: no space left on device\n`);
    expect(run.stderr).toContain("\nName a directory with more room in -spool-dir or TMPDIR.\n");
    expect(registry.manifests.find("app", "latest")).toBeUndefined();
  });
});

test("150 layers are exported within the limits on concurrency", async () => {
  const registry = await FakeRegistry.start();
  const many = Object.fromEntries(
    Array.from({ length: 150 }, (_, i) => [`layer-${i}`, { from: ["libraries"], launch: true, cache: i % 2 === 0 }]),
  );
  const scene = await Scene.open(registry, registry, many);
  for (const [i, name] of Object.keys(many).entries()) writeFileSync(scene.layerPath(name, "own"), seededBytes(64, i));
  const run = await scene.export({ flags: ["-parallel"] });
  expect(run).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await verifyImage(scene.appImage)).layers).toHaveLength(156);
  expect((await verifyImage(scene.cacheImage)).layers).toHaveLength(75);
});
